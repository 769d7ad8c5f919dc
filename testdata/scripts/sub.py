# sub: the keys under a prefix as a store of their own
users = store.sub("user:")
users.set("ann", {"n": 1}, ttl=60)
store.set("user:bob", 2)
store.set("user:", "the prefix itself")
store.set("other", 3)
print(store.keys(), users.keys(), users.get("bob"), users.ttl("ann"), users.exists("other"), users.count(), users.items("b*"))
print(users.incr("n"), users.add("n", 1), users.update("n", lambda n: n + 1), users.get_or_set("m", lambda: 5), users.pop("m"), users.expire("n", 5), users.ttl("n"))
print(users.get_many(["bob", "nope"]), users.set_many({"c": 1}), users.delete_many(["c"]), users.compare_and_set("bob", 2, 3), users.compare_and_delete("bob", 3), users.delete("bob"))
seen = []
print(users.each(lambda k, v: seen.append(k)), seen, users.keys(limit=1), users.keys(after="ann"))
inner = users.sub("x:")
inner.set("deep", 1)
print(store.get("user:x:deep"), users.get("x:deep"), inner.keys(), users.delete_matching("x:*"), inner.count())
inner.set("deep", 1)
print(inner.clear(), users.keys(), users.close(), users.clear(), users.keys(), store.keys())
def attempt(f):
    try:
        return f()
    except Exception as e:
        return str(e)
print(attempt(lambda: store.sub(5)))
print(attempt(lambda: users.set("", 1)))
print(attempt(lambda: users()))
