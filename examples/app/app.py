# The handlers of examples/app: a login with sessions, a rate limiter, and a
# queue of jobs that survives a crash.
import app
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv

# The host's StoreOptions say what these stores are like: sessions in the fast mode, in
# which a power cut can cost a login; counters in a small store in memory. Jobs are in
# kv.default, where each write is durable. Listings are in a cache, which makes room for
# those of active users: each can be made again.
def sessions():
    return kv.open(app.sessions)

def counters():
    return kv.open(":memory:counters")

def listings():
    return kv.open(":cache:listings")

LISTING_SECONDS = 5
SESSION_SECONDS = 1800
CALLS_PER_MINUTE = 30

# POST /login {"user": ...}
def login(request):
    data = body(request)
    if type(data.get("user")) != "STRING" or data["user"] == "":
        return runtime.http.json(400, {"error": "send {\"user\": NAME}"})
    t = app.token() # from the host: a script has no random numbers that nobody can guess
    sessions().set("session:" + t, {"user": data["user"]}, ttl=SESSION_SECONDS)
    return runtime.http.json({"token": t})

# POST /logout
def logout(request):
    sessions().delete("session:" + bearer(request))
    return runtime.http.json({})

# POST /jobs {...}: queues a job; its key is its place in the queue.
def add_job(request):
    user, refusal = admitted(request)
    if refusal != None:
        return refusal
    data = body(request)
    number = kv.default.incr("jobs:last")
    place = f"{number:012d}"
    kv.default.set_many({"job:" + place: {"user": user, "data": data, "state": "waiting"}, "queue:" + place: True})
    kv.default.incr("jobs:queued") # wakes the workers
    listings().delete(user)
    return runtime.http.json(202, {"job": number})

# GET /jobs: the jobs of the caller, with their results. It reads all jobs, so the listing is
# kept until one of the user's jobs is added or done. One that was read just before a change
# can be stored just after it, so it expires soon.
def list_jobs(request):
    user, refusal = admitted(request)
    if refusal != None:
        return refusal
    return runtime.http.json({"jobs": listings().get_or_set(user, lambda: jobs_of(user), ttl=LISTING_SECONDS)})

def jobs_of(user):
    return [{"job": int(key[4:]), "state": job["state"], "result": job.get("result")}
            for key, job in kv.default.items(prefix="job:") if job["user"] == user]

# admitted returns the user of a request, or the response that refuses it.
def admitted(request):
    session = sessions().get("session:" + bearer(request))
    if session == None:
        return None, runtime.http.json(401, {"error": "log in first"})
    sessions().expire("session:" + bearer(request), SESSION_SECONDS)
    user = session["user"]
    calls = counters().incr("calls:" + user, ttl=60)
    if calls > CALLS_PER_MINUTE:
        wait = counters().ttl("calls:" + user)
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
def worker(name, lease):
    while True:
        queued = kv.default.get("jobs:queued") # first, so that no job is missed
        worked = False
        for key in kv.default.keys(prefix="queue:"):
            if work(name, key.removeprefix("queue:"), lease):
                worked = True
        if not worked:
            kv.default.wait_change("jobs:queued", queued, timeout=lease)

# work does a job that nobody else does, and returns whether it did. The work is
# done outside the function of update_many, which can run more than once.
def work(name, place, lease):
    job_key, queue_key, lease_key = "job:" + place, "queue:" + place, "lease:" + place
    if not kv.default.exists(queue_key) or not kv.default.add(lease_key, name, ttl=lease):
        return False
    job = kv.default.get(job_key)
    result = count(job["data"])

    def finish(values):
        if values.get(lease_key) != name or queue_key not in values:
            return values # the lease ran out: the job is another worker's
        return {job_key: {"user": job["user"], "data": job["data"], "state": "done", "result": result}}

    kv.default.update_many([job_key, queue_key, lease_key], finish)
    kv.default.expire(job_key, 86400) # a job that is done is listed for a day
    listings().delete(job["user"])
    return True

# count is the work, here counting the letters of what was sent.
def count(data):
    return sum([len(str(v)) for v in data.values()])

def start(workers, lease):
    for i in range(workers):
        runtime.background("worker " + str(i), "worker", "worker " + str(i), lease)
