# section 1: display, missing things, defaults per call, class bodies, imports
print(True, str(None), 1.0, ["a", {"k": 1.0}])
class C:
    n = undefined_name
    def m(self):
        return 1
print([1][5], {"a": 1}["b"], {"a": 1}.b, C().x, C.n, len.x)
def f():
    raise ValueError("boom")
def fresh(l=[]):
    l.append(1)
    return l
fresh()
print(fresh())
def implicit():
    "first"
    "last"
print(implicit())
print("argument:", f())
def imp():
    import math
imp()
print(math.floor(2.5))
try:
    x = f()
except ValueError as e:
    print("assignment:", e)
try:
    f()
except ValueError as e:
    print("statement:", e)
