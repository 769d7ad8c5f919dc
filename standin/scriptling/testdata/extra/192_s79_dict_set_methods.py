# section 7.9: methods of dict and set
d = {"a": 1}
print(d.get("a"), d.get("b"), d.get("b", 2), d.setdefault("b", 3), d.setdefault("a", 9), sorted(d.items()))
d.update({"c": 4})
print(d.pop("c"), d.pop("z", None), sorted(d.keys()), sorted(d.values()), d.copy() == d)
print(d.a, d.nothing)
d.new = 5
d.call = lambda x: x * 2
d.get = lambda k: "own get"
print(d["new"], d.call(4), d.get("a"))
view = {"x": 1}
keys = view.keys()
view["y"] = 2
print(len(keys), sorted(keys), "y" in keys)
view.clear()
print(view, len(keys), {}.fromkeys(["k"], 0))
print({1: "a", 1.0: "b", True: "c"}, len({"1": 1, 1: 2}), {(1, 2): "t"}[(1, 2)], {None: "n"}[None])
def show(f):
    try:
        print(f())
    except TypeError as e:
        print("TypeError", e)
    except KeyError as e:
        print("KeyError", e)
    except Exception as e:
        print("Exception", e)
show(lambda: {}.pop("n"))
show(lambda: {}.pop(5))
show(lambda: {}.pop("a:b"))
show(lambda: {}.pop(2.5))
show(lambda: {}.pop(None))
show(lambda: {}.pop((1, "a")))
show(lambda: {}.pop(True))
s = {1, 2}
print(s.add(3), s.remove(1), s.discard(9), s, {5}.pop())
print({1}.union({2}), {1, 2}.intersection({2}), {1, 2}.difference({2}), {1, 2}.symmetric_difference({2, 3}), {1}.issubset({1, 2}), {1}.issuperset({1}))
t = s.copy()
t.clear()
print(t, len(s), {10, 9, "b", "a"})
show(lambda: {1}.remove(7))
show(lambda: {1}.add([2]))
show(lambda: {(1, [2])})
show(lambda: set([{}]))
show(lambda: {1}.union([2]))
show(lambda: {1}.update({2}))
show(lambda: {1} < {2})
