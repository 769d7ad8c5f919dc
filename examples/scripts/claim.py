# Claiming a job: add stores only if nobody has, so exactly one worker gets it.
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv

jobs = kv.open(":memory:jobs")

def worker(name):
    mine = 0
    for n in range(10):
        if kv.open(":memory:jobs").add("claim:" + str(n), name, ttl=300):
            mine = mine + 1
    return mine

tasks = [runtime.background("w" + str(i), "worker", "worker " + str(i)) for i in range(3)]
print("jobs claimed:", sum([t.get() for t in tasks]), "of 10")
