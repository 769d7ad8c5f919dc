# Long polling: a handler that answers as soon as the result of a job is there. It takes no
# CPU while it waits, and other requests are answered meanwhile.
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import time

LONGEST = 10 # seconds; less than the timeouts of clients and proxies

# GET /results/ID, called by the host for each request
def result(id, seconds):
    value = kv.default.wait("result:" + id, timeout=seconds)
    if value == None:
        return runtime.http.json(202, {"state": "still working, ask again"})
    return runtime.http.json(200, value)

def work(id):
    time.sleep(0.05)
    kv.default.set("result:" + id, {"rows": 1000}, ttl=600)

kv.default.delete_many(["result:7", "result:8"])
worker = runtime.background("worker", "work", "7")
for id, seconds in [("7", LONGEST), ("8", 0.01)]:
    response = result(id, seconds)
    print("job " + id + ":", response["status"], response["body"])
