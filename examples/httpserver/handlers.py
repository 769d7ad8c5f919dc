# The handlers of examples/httpserver. Each gets a request and returns a response.
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import time

# POST /users {"name": ...}: several of these may run at once, and with the worker.
def add_user(request):
    try:
        user = request.json()
    except Exception as e:
        user = None
    if type(user) != "DICT":
        return runtime.http.json(400, {"error": "send a JSON object"})
    users = kv.default.update("users", lambda users: users + [user], default=[])
    return runtime.http.json(200, {"count": len(users)})

# GET /users
def list_users(request):
    return runtime.http.json({
        "users": kv.default.get("users", default=[]),
        "seen_by_worker": kv.default.get("worker:seen", default=0),
    })

# POST /visits: however many at once, each is counted
def count_visit(request):
    return runtime.http.json({"visits": kv.default.incr("visits")})

# POST /reports: answers at once; the task goes on after the request.
def start_report(request):
    if not kv.default.add("report", {"done": 0, "of": REPORT_STEPS}, ttl=60):
        return runtime.http.json(409, {"error": "a report is being made"})
    runtime.background("report", "make_report", REPORT_STEPS)
    return runtime.http.json(202, kv.default.get("report"))

REPORT_STEPS = 20

def make_report(steps):
    for i in range(steps):
        time.sleep(0.1)
        kv.default.set("report", {"done": i + 1, "of": steps}, ttl=60)

# GET /reports
def get_report(request):
    return runtime.http.json(kv.default.get("report", default={}))

# Runs in the background until the host closes the store.
def worker(seconds):
    while True:
        kv.default.set("worker:seen", len(kv.default.get("users", default=[])))
        time.sleep(seconds)

def start(seconds):
    runtime.background("worker", "worker", seconds)
