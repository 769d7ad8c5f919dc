# The handlers of examples/app: a login with sessions, a rate limiter, and a
# queue of jobs that survives a crash.
import app
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import time

SESSION_SECONDS = 1800
CALLS_PER_MINUTE = 30

# POST /login {"user": ...}
def login(request):
    data = body(request)
    if type(data.get("user")) != "STRING" or data["user"] == "":
        return runtime.http.json(400, {"error": "send {\"user\": NAME}"})
    t = app.token() # from the host: a script has no random numbers that nobody can guess
    kv.default.set("session:" + t, {"user": data["user"]}, ttl=SESSION_SECONDS)
    return runtime.http.json({"token": t})

# POST /logout
def logout(request):
    kv.default.delete("session:" + bearer(request))
    return runtime.http.json({})

# POST /jobs {...}: queues a job; its key is its place in the queue.
def add_job(request):
    user, refusal = admitted(request)
    if refusal != None:
        return refusal
    data = body(request)
    number = kv.default.incr("jobs:last")
    kv.default.set(f"job:{number:012d}", {"user": user, "data": data, "state": "waiting"})
    return runtime.http.json(202, {"job": number})

# GET /jobs: those of the caller, with what came of them.
def list_jobs(request):
    user, refusal = admitted(request)
    if refusal != None:
        return refusal
    jobs = [{"job": int(key[4:]), "state": job["state"], "result": job.get("result")}
            for key, job in kv.default.items("job:*") if job["user"] == user]
    return runtime.http.json({"jobs": jobs})

# admitted returns the user of a request, or the response that refuses it.
def admitted(request):
    session = kv.default.get("session:" + bearer(request))
    if session == None:
        return None, runtime.http.json(401, {"error": "log in first"})
    kv.default.expire("session:" + bearer(request), SESSION_SECONDS)
    user = session["user"]
    calls = kv.default.incr("calls:" + user, ttl=60)
    if calls > CALLS_PER_MINUTE:
        wait = kv.default.ttl("calls:" + user)
        return None, runtime.http.json(429, {"error": f"try again in {wait} seconds"})
    return user, None

def bearer(request):
    t = request.headers.get("authorization", "").removeprefix("Bearer ")
    if t == "" or len(t) > 100:
        return "none"
    return t

def body(request):
    data = None
    try:
        data = request.json()
    except Exception as e:
        data = None
    if type(data) != "DICT":
        return {}
    return data

# worker does the jobs, one at a time, until the host ends. Several may run at
# once, also in the process that follows after a crash: the lease of a worker
# that died runs out, and another one takes the job.
def worker(name, lease, pause):
    while True:
        worked = False
        for key in kv.default.keys("job:*"):
            job = kv.default.get(key)
            if job == None or job["state"] != "waiting":
                continue
            if not kv.default.add("lease:" + key, name, ttl=lease):
                continue
            kv.default.update(key, lambda j: do(j))
            kv.default.expire(key, 86400) # a job that is done is listed for a day
            kv.default.delete("lease:" + key)
            worked = True
        if not worked:
            time.sleep(pause)

# do is the work, here counting the letters of what was sent.
def do(job):
    if job["state"] == "waiting":
        job["state"] = "done"
        job["result"] = sum([len(str(v)) for v in job["data"].values()])
    return job

def start(workers, lease, pause):
    for i in range(workers):
        runtime.background("worker " + str(i), "worker", "worker " + str(i), lease, pause)
