# A cache that does not stampede: of all who miss the value at once, one computes it
# and the others wait for it.
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import time

def report():
    kv.default.incr("report computed")
    time.sleep(0.05)
    return {"rows": 1000}

def handler():
    return kv.default.get_or_set("report", report, ttl=300)

kv.default.delete_many(["report", "report computed"])
tasks = [runtime.background("request", "handler") for i in range(10)]
answers = [t.get() for t in tasks]
print("answers:", len(answers), "- all the same:", all([a == answers[0] for a in answers]))
print("computed:", kv.default.get("report computed"), "time")
