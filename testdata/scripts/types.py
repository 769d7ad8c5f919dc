# every type comes back as it went in
def show(v):
    store.set("v", v)
    got = store.get("v")
    print(type(got), repr(got), type(v) == type(got))

for v in [None, True, False, 0, 1, -1, 9223372036854775807, -9223372036854775807 - 1]:
    show(v)
for v in [1.0, -0.0, 2.5, 1e300, 5e-324, float("inf"), float("-inf")]:
    show(v)
store.set("v", float("nan"))
nan = store.get("v")
print(type(nan), nan == nan)
for v in ["", "text", "a\nb", "héllo ☃", bytes("hi"), bytes(), bytes([0, 255])]:
    show(v)
for v in [[], (), set(), {}, [1, [2.0, [None]]], (1,), ((), (1, "a")), set([1]), {"a": {"b": [True]}}]:
    show(v)

raw = bytes([255, 65]).decode()
store.set("v", raw)
print("text that is not UTF-8:", store.get("v") == raw, type(store.get("v")))
store.set("v", set([1, 2.5, "s", None, (1, "t"), bytes("b")]))
s = store.get("v")
print("set:", len(s), 1 in s, 2.5 in s, "s" in s, None in s, (1, "t") in s, bytes("b") in s, 3 in s)
store.set("v", {1: "int", 2.5: "float", "1": "str", None: "none", (1, ("a",)): "tuple", bytes("k"): "bytes"})
d = store.get("v")
print("dict:", len(d), d[1], d[2.5], d["1"], d[None], d[(1, ("a",))], d[bytes("k")])
print("key types:", sorted([type(k) for k in d.keys()]))
store.set("v", {True: "yes"})
print("bool key:", [type(k) for k in store.get("v").keys()])
store.set("v", {3.0: "f"})
print("float key:", [type(k) for k in store.get("v").keys()])
nested = 1
for i in range(500):
    nested = [nested]
store.set("v", nested)
depth = 0
v = store.get("v")
while type(v) == "LIST":
    v = v[0]
    depth += 1
print("levels:", depth)
