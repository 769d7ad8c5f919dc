# A lock with a token and a time: whoever dies holding it blocks others only until
# the time is over, and nobody can release the lock of another.
import scriptling.runtime.kv as kv

locks = kv.default.sub("lock:")

def acquire(name, seconds):
    token = kv.default.incr("lock tokens")  # grows, so that a later holder has a higher one
    if locks.add(name, token, ttl=seconds):
        return token
    return None

def extend(name, token, seconds):
    return locks.compare_and_set(name, token, token, ttl=seconds)

def release(name, token):
    return locks.compare_and_delete(name, token)

mine = acquire("report", 30)
print("acquired:", mine is not None, "- by somebody else meanwhile:", acquire("report", 30) is not None)
print("extended:", extend("report", mine, 60), "- seconds left:", locks.ttl("report"))
print("released with a wrong token:", release("report", mine + 1), "- with mine:", release("report", mine))
print("extended after that:", extend("report", mine, 60), "- free again:", acquire("report", 30) is not None)
release("report", locks.get("report"))
