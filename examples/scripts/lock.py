# A lock with a token and a time: whoever dies holding it blocks others only until
# the time has passed, and nobody can release the lock of another.
import scriptling.runtime.kv as kv
import time

class Lock:
    def __init__(self, name, seconds):
        self.locks = kv.default.sub("lock:")
        self.name = name
        self.seconds = seconds
        self.token = None

    def acquire(self):
        token = kv.default.incr("lock tokens")  # grows, so that a later holder has a higher one
        if not self.locks.add(self.name, token, ttl=self.seconds):
            return False
        self.token = token
        return True

    def extend(self, seconds):
        return self.locks.compare_and_set(self.name, self.token, self.token, ttl=seconds)

    def release(self):
        return self.locks.compare_and_delete(self.name, self.token)

    def __enter__(self):
        while not self.acquire():
            time.sleep(0.01)
        return self

    def __exit__(self, kind, error, traceback):
        self.release()
        return False

mine = Lock("report", 30)
other = Lock("report", 30)
print("acquired:", mine.acquire(), "- by somebody else meanwhile:", other.acquire())
print("extended:", mine.extend(60), "- seconds left:", mine.locks.ttl("report"))
print("released by somebody else:", other.release(), "- by me:", mine.release())
print("extended after that:", mine.extend(60))

with Lock("report", 30) as lock:
    print("inside, is it free:", other.acquire(), "- token is a number:", lock.token > 0)
print("after the block, is it free:", other.acquire(), other.release())
try:
    with Lock("report", 30):
        raise ValueError("the work failed")
except ValueError as e:
    print(e, "- is it free:", other.acquire(), other.release())
dead = Lock("report", 0.05)
dead.acquire()
with Lock("report", 30):
    print("the holder died, and its lock has expired")
