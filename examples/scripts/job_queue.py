# A job queue whose jobs survive a crash: a worker leases a job for some seconds and
# removes it when it is done. If the worker dies, the lease ends and another worker
# gets the job; so a job may run twice, and never not at all.
import scriptling.runtime.kv as kv
import time

queue = kv.open("jobs.db")
jobs = queue.sub("job:")
leases = queue.sub("lease:")

def put(work):
    id = str(100000000 + queue.incr("last job"))  # ids sort in the order of the jobs
    jobs.set(id, work)

def claim(worker, seconds):
    token = worker + " " + str(queue.incr("last lease"))
    mine = []
    def attempt(id, work):
        if leases.add(id, token, ttl=seconds):
            if jobs.exists(id):  # else it was done since each() read it
                mine.append({"id": id, "work": work, "token": token})
                return False
            leases.compare_and_delete(id, token)
        return True
    jobs.each(attempt)
    return mine[0] if mine else None

def done(job):
    if leases.get(job["id"]) != job["token"]:
        return False  # it took longer than the lease: somebody else has the job
    jobs.delete(job["id"])
    return leases.compare_and_delete(job["id"], job["token"])

def give_back(job):
    return leases.compare_and_delete(job["id"], job["token"])

for work in ["mail ann", "mail bob", "mail cy"]:
    put(work)

first = claim("w1", 60)
second = claim("w2", 60)
print("w1 has:", first["work"], "- w2 has:", second["work"], "- w1 is done:", done(first))
print("w2 gives it back:", give_back(second))
lost = claim("w3", 0.05)
print("w3 has:", lost["work"], "and dies")
time.sleep(0.1)
again = claim("w4", 60)
print("w4 has:", again["work"], "- w3 is done:", done(lost), "- w4 is done:", done(again))
last = claim("w4", 60)
print("w4 has:", last["work"], "- done:", done(last), "- next:", claim("w4", 60), "- jobs left:", jobs.count())
