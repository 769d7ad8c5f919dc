# section 7.10: isinstance, type, callable, hasattr and getattr
print(isinstance(1, int), isinstance(True, int), isinstance(True, bool), isinstance(1.0, float), isinstance("a", str), isinstance([], list), isinstance({}, dict), isinstance((), tuple))
print(isinstance(1, "int"), isinstance(1, "INTEGER"), isinstance("a", "String"), isinstance(None, "None"), isinstance({1}, "SET"), isinstance(1, (str, int)), isinstance(1, [str, "int"]), isinstance(1, (str, float)))
class A:
    def m(self):
        pass
class B(A):
    pass
b = B()
print(isinstance(b, A), isinstance(A(), B), isinstance(b, (int, A)), isinstance(1, A), issubclass(B, A), issubclass(A, B))
try:
    isinstance({1}, set)
    print("accepted")
except Exception as e:
    print("refused")
print([type(x) for x in [1, 1.5, "a", True, None, [], (), {}, {1}, bytes("a"), len, A, b, b.m, lambda: 1, range(1), {}.keys(), {}.values(), {}.items()]])
print(callable(len), callable(lambda: 1), callable(A), callable(b.m), callable(5))
b.x = 1
print(hasattr(b, "x"), hasattr(b, "y"), getattr(b, "x"), getattr(b, "y", "d"), hasattr({"k": 1}, "k"), getattr({"k": 1}, "k"), hasattr([], "append"), hasattr("", "upper"))
setattr(b, "z", 2)
delattr(b, "x")
print(b.z, b.x, hash("a") == hash("a"), hash(""))
print(1, "a", sep="-", end="!\n")
print()
print(sep="x")
print(*[1, 2], *"ab")
