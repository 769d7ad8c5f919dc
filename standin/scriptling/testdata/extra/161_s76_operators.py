# section 7.6: the methods that operators use; no comparison is derived
class Op:
    def __add__(self, o): return ["add", o]
    def __sub__(self, o): return ["sub", o]
    def __mul__(self, o): return ["mul", o]
    def __truediv__(self, o): return ["div", o]
    def __floordiv__(self, o): return ["floordiv", o]
    def __mod__(self, o): return ["mod", o]
    def __lt__(self, o): return "lt"
    def __gt__(self, o): return "gt"
    def __le__(self, o): return "le"
    def __ge__(self, o): return "ge"
    def __eq__(self, o): return True
    def __ne__(self, o): return "ne"
    def __getitem__(self, k): return ["item", k]
    def __setitem__(self, k, v): print("set", k, v)
    def __delitem__(self, k): print("del", k)
    def __len__(self): return 4
    def __iter__(self): return iter([1, 2])
    def __neg__(self): return 1
    def __call__(self): return 1
    def __radd__(self, o): return 1
o = Op()
print(o + 1, o - 1, o * 1, o / 1, o // 1, o % 1)
print(o < 1, o > 1, o <= 1, o >= 1, o == 1, o != 1)
o[1] = 2
del o["k"]
print(o[0], len(o), list(o), tuple(o), [x for x in o], sum(o), max(o), sorted(o))
for f in [lambda: -o, lambda: o(), lambda: 1 + o]:
    try:
        f()
    except Exception as e:
        print(e)
class Eq:
    def __init__(self, v): self.v = v
    def __eq__(self, o): return self.v == o.v
    def __hash__(self): return self.v
a = Eq(1)
print(a == Eq(1), a != Eq(1), a != a, a == Eq(2), [a] == [Eq(1)], Eq(1) in [a], len({Eq(1), Eq(1), Eq(2)}), {a: "x"}[Eq(1)])
class Lt:
    def __init__(self, v): self.v = v
    def __lt__(self, o): return self.v < o.v
print(Lt(1) < Lt(2), [x.v for x in sorted([Lt(3), Lt(1), Lt(2)])])
for f in [lambda: Lt(1) > Lt(2), lambda: Lt(1) <= Lt(2), lambda: Lt(1) >= Lt(2)]:
    try:
        f()
    except TypeError as e:
        print(e)
