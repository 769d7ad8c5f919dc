# section 7.5: every form of parameter
def f(a, b=2, *args, c, d=4, **kw):
    return [a, b, type(args), args, c, d, type(kw), kw]
print(f(1, c=3), f(1, 2, 3, 4, c=5, d=6, e=7))
def g(a, *, k=1):
    return [a, k]
print(g(1), g(1, k=2))
l = lambda a, b=2, *c, d=3, **e: [a, b, c, d, e]
print(l(1), l(1, 5, 6, d=7, z=8))
n = 1
def at_call(x=n):
    return x
n = 2
print(at_call())
def other(a, b=a_global + 1):
    return b
a_global = 5
print(other(1))
def show(fn):
    try:
        print(fn())
    except Exception as e:
        print(e)
def late(x=undefined_name):
    return x
show(lambda: late())
show(lambda: late(1))
show(lambda: g(1, 2))
show(lambda: g(1, z=1))
show(lambda: f.__name__)
show(lambda: f.__doc__)
def deco(tag):
    def d(fn):
        print("decorate", tag)
        return lambda: tag + fn()
    return d
@deco("outer ")
@deco("inner ")
def plain():
    return "plain"
print(plain())
