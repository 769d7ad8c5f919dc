# each: in order, outside every lock, until fn returns False
store.set_many({"a": 1, "b": [2], "c": None, "other": 4})
seen = []
print(store.each(lambda k, v: seen.append((k, v)), "[abc]"), seen)
seen = []
def until_b(k, v):
    seen.append(k)
    return k != "b"
print(store.each(until_b), seen, store.each(fn=lambda k, v: None, pattern="zz*"), store.each(lambda k, v: 0), store.each(lambda k, v: False))
print(store.each(lambda k, v: store.delete(k), "a"), store.exists("a"))
def fails(k, v):
    raise KeyError("at " + k)
def attempt(f):
    try:
        return f()
    except KeyError as e:
        return "KeyError " + str(e)
    except TypeError as e:
        return "TypeError " + str(e)
    except RuntimeError as e:
        return "RuntimeError"
print(attempt(lambda: store.each(fails)))
print(attempt(lambda: store.each(lambda k: 1)))
print(attempt(lambda: store.each(5)))
# what fn changes
store.clear()
store.set_many({"n" + str(1000 + i): i for i in range(2500)})
seen = []
def grow(k, v):
    seen.append(k)
    store.set(k, v + 1)
    store.set("z" + k, 1)
    if v == 5:
        store.delete("n1006")
print(store.each(grow, "n*"), len(seen), len(set(seen)), seen == sorted(seen), store.get("n1000"), store.count("z*"))
def deeper(k, v):
    return store.each(deeper)
print(attempt(lambda: store.each(deeper)))
