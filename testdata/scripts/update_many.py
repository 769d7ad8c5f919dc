store = kv.default

# Values in, values out; what is left out is removed, what is not of keys is refused.
store.set_many({"a": 1, "b": [1, 2], "gone": (1, 2)}, ttl=100)
store.set("other", "other")

def change(values):
    print(sorted(values.keys()), values["gone"] == (1, 2))
    values["b"].append(3)
    return {"a": values["a"] + 1, "b": values["b"], "new": None}

result = store.update_many(["b", "a", "gone", "new", "absent", "a"], change)
print(result["a"], result["b"], result["new"], len(result))
print(store.keys(), store.get("a"), store.get("b"), store.exists("new"), store.get("other"))
print(store.ttl("a"), store.ttl("b"), store.ttl("new"))

# A tuple, a set or the keys of a dict name keys as well, and no keys are fine.
print(store.update_many(("a",), lambda values: values), store.update_many(set(["a"]), lambda values: values))
print(store.update_many({"a": 0}.keys(), lambda values: {}), store.exists("a"))
print(store.update_many([], lambda values: values), store.update_many(keys=["b"], fn=lambda values: values))

# What fn gets and returns is a copy.
kept = []
def keep(values):
    kept.append(values)
    return values
store.update_many(["b"], keep)
kept[0]["b"].append("later")
print(store.get("b"))

# A rename, and a swap.
store.update_many(["b", "c"], lambda values: {"c": values["b"]})
print(store.get("b"), store.get("c"), store.ttl("c"))
store.set("x", 1)
store.set("y", 2, ttl=50)
store.update_many(["x", "y"], lambda values: {"x": values["y"], "y": values["x"]})
print(store.get("x"), store.get("y"), store.ttl("x"), store.ttl("y"))

# It runs again if a key changed meanwhile, also one that it leaves alone or that was absent.
runs = []
def disturbed(values):
    runs.append(sorted(values.keys()))
    if len(runs) == 1:
        store.incr("x")
    if len(runs) == 2:
        store.set("absent", 1)
    return {"x": values["x"], "y": len(runs)} if "absent" not in values else {"x": values["x"], "y": len(runs), "absent": 1}
print(sorted(store.update_many(["x", "y", "absent"], disturbed).items()), runs)

# Nested calls, and views.
def outer(values):
    store.update_many(["inner"], lambda v: {"inner": v.get("inner", 0) + 1})
    return {"outer": store.get("inner")}
print(store.update_many(["outer"], outer), store.get("inner"))
view = store.sub("view:")
print(view.update_many(["k", "x"], lambda v: {"k": len(v)}), store.get("view:k"), store.get("x"))

# An expired key is absent.
store.set("short", 1, ttl=5)
advance(5)
print(store.update_many(["short"], lambda v: {"short": len(v)}), store.ttl("short"))

# What fails changes nothing.
def fails(values):
    values["x"] = 0
    raise ValueError("mine")
for fn in [fails, lambda v: None, lambda v: 5, lambda v: {"z": 1}, lambda v: {"x": print}, lambda v: v["nothing"], lambda: {}, len]:
    try:
        store.update_many(["x", "y"], fn)
        print("done")
    except ValueError as e:
        print("ValueError", e)
    except TypeError as e:
        print("TypeError", e)
    except KeyError as e:
        print("KeyError", e)
print(store.get("x"), store.get("y"))
