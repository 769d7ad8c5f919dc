# A session store: each visit gives the session another half hour.
import scriptling.runtime.kv as kv

sessions = kv.open(":memory:sessions")

def login(id, user):
    sessions.set("session:" + id, {"user": user, "visits": 0}, ttl=1800)

def visit(id):
    if not sessions.expire("session:" + id, 1800):
        return None
    return sessions.update("session:" + id, lambda s: {"user": s["user"], "visits": s["visits"] + 1})

login("abc", "ann")
visit("abc")
session = visit("abc")
print(session["user"], "visits:", session["visits"], "- seconds left:", sessions.ttl("session:abc"))
print("unknown session:", visit("nobody"))
print("logged out:", sessions.pop("session:abc")["user"], "- still there:", sessions.exists("session:abc"))
