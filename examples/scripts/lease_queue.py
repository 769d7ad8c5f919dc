# A queue for many workers, with leases and retries. pop_first gives each worker a
# different job, however many workers come at once; update_many keeps a job and its
# lease together. A job that fails three times is put aside.
#
#   job:ID         the work and how often it was tried; it stays until the job is done
#   ready:ID       the job waits for a worker
#   lease:TIME:ID  a worker has the job until TIME, in milliseconds
#   failed:ID      what is put aside
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import time

def queue():  # background tasks see functions, not names of the script
    return kv.open(":memory:queue")

def now():
    return int(time.time() * 1000)

def put(work):
    id = f"{queue().incr('last job'):012}"
    queue().set_many({"job:" + id: {"work": work, "tries": 0}, "ready:" + id: True})

def claim(seconds):
    retry_late()
    found = queue().pop_first(prefix="ready:")
    if found is None:
        return None
    id = found[0].split(":")[1]
    lease = f"lease:{now() + int(seconds * 1000):015}:" + id
    job = "job:" + id
    def start(values):
        values[job]["tries"] += 1
        values[lease] = True
        return values
    started = queue().update_many([job, lease], start)
    return {"id": id, "lease": lease, "work": started[job]["work"]}

def done(claimed):
    # False if the lease has ended: then another worker has the job.
    had = []
    def end(values):
        had.append(claimed["lease"] in values)
        return {} if had[-1] else values
    queue().update_many(["job:" + claimed["id"], claimed["lease"]], end)
    return had[-1]

def retry(lease, id):
    job = "job:" + id
    def again(values):
        if lease not in values:
            return values
        if values[job]["tries"] >= 3:
            return {"failed:" + id: values[job]["work"]}
        return {job: values[job], "ready:" + id: True}
    queue().update_many([lease, job, "ready:" + id, "failed:" + id], again)

def retry_late():
    while True:
        leases = queue().keys(prefix="lease:", limit=1)
        if len(leases) == 0 or int(leases[0].split(":")[1]) > now():
            return
        retry(leases[0], leases[0].split(":")[2])

def recover():
    # After a crash: a worker can have ended between pop_first and its lease.
    leased = [key.split(":")[2] for key in queue().keys(prefix="lease:")]
    for key in queue().keys(prefix="job:"):
        id = key.split(":")[1]
        if id not in leased:
            queue().add("ready:" + id, True)

def worker():
    n = 0
    while True:
        claimed = claim(60)
        if claimed is None:
            return n
        if claimed["work"] == "fail":
            retry(claimed["lease"], claimed["id"])
        elif done(claimed):
            n = n + 1

for n in range(30):
    put("job " + str(n))
put("fail")
recover()
tasks = [runtime.background("worker" + str(i), "worker") for i in range(4)]
print("done:", sum([t.get() for t in tasks]), "- put aside:", queue().count(prefix="failed:"), "- left:", queue().count(prefix="job:"), queue().count(prefix="ready:"), queue().count(prefix="lease:"))

put("slow")
slow = claim(0.05)
time.sleep(0.1)
again = claim(60)
print("the lease ended, so another worker has:", again["work"], "- first is done:", done(slow), "- second is done:", done(again))
