# prefix is literal, after and before are exclusive in both directions, reverse descends
store.set_many({"user:ann:cart": 1, "user:bob:cart": 2, "user:*:cart": 3, "user:": 4, "user;": 5, "log:1": "a", "log:2": "b", "log:3": "c"})
def attempt(f):
    try:
        return f()
    except TypeError as e:
        return "TypeError " + str(e)
    except ValueError as e:
        return "ValueError " + str(e)
print(store.keys(prefix="user:"), store.keys(prefix="user:*"), store.keys("*cart", prefix="user:*"), store.keys(prefix="*"), store.keys("log:*", prefix="user:"))
print(store.keys(prefix="log:", reverse=True), store.keys("log:*", 1, reverse=True), store.items("log:*", 1, prefix="log:", reverse=True))
print(store.keys(before="log:2"), store.keys(before="log:2", reverse=True), store.keys(after="log:1", before="log:3", reverse=True), store.keys(after="user:*:cart", before="user:ann:cart"), store.keys(after="user;", before="log:2"))
print(store.keys("log:2", 0, "log:1", "log:3", "log", True), store.keys("log:2", before="log:2"), store.keys("log:2", prefix="log:2"), store.keys("log:2", prefix="log:22"), store.keys("log:2", after="log:2"))
print(store.count(prefix="user:"), store.count("*cart", "user:"), store.count("user:"), store.count("*", ""), store.count(prefix="x"), store.keys("^user"))
seen = []
def until_2(k, v):
    seen.append(k + "=" + str(v))
    return k != "log:2"
print(store.each(until_2, prefix="log:", reverse=True), seen, store.each(lambda k, v: None, limit=3), store.each(lambda k, v: None, "*", 0, "log:1", "user:", "", False))
page = ""
pages = []
while True:
    found = store.keys(limit=3, before=page, reverse=True)
    if not found:
        break
    pages.append(found)
    page = found[-1]
print(pages)
view = store.sub("user:")
print(view.keys(reverse=True), view.keys(prefix="a"), view.keys(before="ann:cart"), view.count(prefix="b"), view.keys(reverse=True, limit=1))
print(attempt(lambda: store.delete_matching()), attempt(lambda: store.delete_matching(prefix="")), attempt(lambda: store.delete_matching("", "user:")), store.count())
print(attempt(lambda: store.keys(reverse=1)), attempt(lambda: store.keys(prefix=5)), attempt(lambda: store.keys(before=None)), attempt(lambda: store.items(limit=-1, reverse=True)), attempt(lambda: store.count("*", limit=1)), attempt(lambda: store.keys(desc=True)))
name = "*"
print(store.delete_matching(prefix="user:" + name + ":"), store.delete_matching("*2", prefix="log:"), view.delete_matching(prefix="bob"), store.keys())
store.clear()
store.set_many({"log:" + str(10000 + i): i for i in range(3000)})
print(store.keys(limit=2, reverse=True), store.keys("*7", 2, reverse=True, before="log:12345"), [v for k, v in store.items(prefix="log:1299", reverse=True, limit=3)], len(store.keys(reverse=True)), store.keys(reverse=True) == list(reversed(store.keys())), store.count(prefix="log:12"))
