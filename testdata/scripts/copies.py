# what is stored and what is returned are copies; default is itself
value = {"list": [1], "dict": {"a": 1}}
store.set("k", value)
value["list"].append(2)
value["dict"]["b"] = 2
got = store.get("k")
print(got["list"], got["dict"] == {"a": 1})
got["list"].append(3)
print(store.get("k")["list"], store.get("k") is got)
items = store.items()
items[0][1]["list"].append(4)
many = store.get_many(["k"])
many["k"]["list"].append(5)
print(store.get("k")["list"])
new = store.update("k", lambda v: {"list": v["list"] + [9]})
new["list"].append(10)
print(store.get("k")["list"])
made = [1]
kept = store.get_or_set("m", lambda: made)
kept.append(2)
made.append(3)
print(store.get("m"), kept)
fallback = []
print(store.get("absent", fallback) is fallback, store.pop("absent", default=fallback) is fallback)
store.get("absent", fallback).append(1)
print(fallback, store.exists("absent"))
seen = []
def look(old):
    seen.append(old is fallback)
    return old
print(store.update("absent", look, fallback), seen)
fallback.append(2)
print(store.get("absent"))
popped = store.pop("k")
popped["list"].append(1)
print(store.get("k"), store.keys())
# changing what fn was given changes nothing when fn fails
store.set("k", [1])
def spoil(v):
    v.append(2)
    raise ValueError("no")
try:
    store.update("k", spoil)
except ValueError as e:
    print(e, store.get("k"))
