store = kv.default
store.set_many({"job:1": "a", "job:2": [1, 2], "job:3:x": None, "job:4:x": 4}, ttl=60)
store.set("note", "n")
print(store.pop_first(), store.exists("job:1"), store.count())
print(store.pop_first("job:*"), store.pop_first("*:x"), store.pop_first(pattern="*:x", reverse=True))
print(store.pop_first("job:*"), store.pop_first("job:*", default="none"), store.pop_first(prefix="job:", default=("k", "v")))
print(store.pop_first("", default="the empty pattern"), store.pop_first("note"), store.pop_first("note", default=0))

# A view, a prefix that is no pattern, and what has expired.
view = store.sub("v:")
view.set("b", 2)
view.set("a*", 1, ttl=5)
view.set("c", 3, ttl=6)
store.set("v:", "the prefix itself")
store.set("z", 26)
print(view.pop_first(prefix="a*"), view.pop_first(prefix="*"), view.pop_first(reverse=True))
view.set("a", 1, ttl=5)
view.set("z", 1, ttl=5)
advance(5)
print(view.pop_first(reverse=True), view.pop_first(), view.keys(), store.keys())
print(store.pop_first(), store.pop_first(prefix="z"), store.pop_first())

# What is returned is the caller's.
store.set("k", [1])
key, value = store.pop_first()
value.append(2)
print(key, value, store.count())
