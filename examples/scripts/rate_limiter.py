# A rate limiter: incr counts, and the first count of a window starts its clock.
import scriptling.runtime.kv as kv

def allowed(user, limit=3, seconds=60):
    return kv.default.incr("rate:" + user, ttl=seconds) <= limit

kv.default.delete("rate:ann")
for i in range(5):
    print("request", i + 1, "allowed" if allowed("ann") else "refused")
print("the window ends in", kv.default.ttl("rate:ann"), "seconds")
