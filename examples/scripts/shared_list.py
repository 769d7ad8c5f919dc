# A list that several tasks append to: update loses nothing.
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv

kv.default.delete("log")

def writer(name):
    for i in range(20):
        kv.default.update("log", lambda log: log + [name + " " + str(i)], default=[])

tasks = [runtime.background("w" + str(i), "writer", "task " + str(i)) for i in range(4)]
for t in tasks:
    t.wait()
print("entries:", len(kv.default.get("log")))
