# A job queue whose jobs survive a crash: a worker leases a job for some seconds and
# removes it when it is done. If the worker dies, the lease ends and another worker
# gets the job; so a job may run twice, and never not at all. A claim costs the same
# however many jobs there are: it looks at the first key of "ready:" and of "leased:".
import scriptling.runtime.kv as kv
import time

queue = kv.open("jobs.db")

def put(work):
    id = f"{queue.incr('last job'):012}"  # ids sort in the order of the jobs
    queue.set("ready:" + id, work)

def move(old, new):
    # True if this call moved the value, and False if another one did it before.
    return new in queue.update_many([old, new], lambda values: {new: values[old]} if old in values else {})

def first(prefix):
    keys = queue.keys(prefix=prefix, limit=1)
    return keys[0] if keys else None

def end_leases():
    # Keys of leases begin with the time at which they end.
    key = first("leased:")
    while key and int(key.split(":")[1]) <= int(time.time() * 1000):
        move(key, "ready:" + key.split(":")[2])
        key = first("leased:")

def claim(seconds):
    end_leases()
    key = first("ready:")
    while key:
        lease = f"leased:{int((time.time() + seconds) * 1000):015}:" + key.split(":")[1]
        if move(key, lease):
            return lease
        key = first("ready:")
    return None

def done(lease):
    return queue.pop(lease) is not None  # else the lease has ended: somebody else has the job

def give_back(lease):
    return move(lease, "ready:" + lease.split(":")[2])

for work in ["mail ann", "mail bob", "mail cy"]:
    put(work)

one = claim(60)
two = claim(60)
print("w1 has:", queue.get(one), "- w2 has:", queue.get(two), "- w1 is done:", done(one))
print("w2 gives it back:", give_back(two))
lost = claim(0.05)
print("w3 has:", queue.get(lost), "and dies")
time.sleep(0.1)
again = claim(60)
print("w4 has:", queue.get(again), "- w3 is done:", done(lost), "- w4 is done:", done(again))
last = claim(60)
print("w4 has:", queue.get(last), "- done:", done(last), "- next:", claim(60), "- jobs left:", queue.count(prefix="ready:") + queue.count(prefix="leased:"))
