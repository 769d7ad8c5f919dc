# section 7.3: the order of * arguments, keywords and errors
def f(*a, **k):
    return [a, k]
print(f(*[1, 2], 3), f(*[1], 2, *"ab", x=1), f(**{"z": 1},), f(*(), **{}))
print(f(*{"k": 1}), f(*range(2)), f(*{7}))
def show(g):
    try:
        print(g())
    except Exception as e:
        print(e)
def h(a, b=2):
    return [a, b]
show(lambda: h())
show(lambda: h(1, 2, 3))
show(lambda: h(1, c=3))
show(lambda: h(1, a=2))
show(lambda: h(1, **{"a": 2}))
show(lambda: h(b=1, a=2))
show(lambda: missing())
show(lambda: 5())
def adder(x):
    return lambda y: x + y
print([lambda: 1][0](), {"a": lambda: 2}["a"](), adder(1)(2))
print(type((lambda x: lambda y: y)(1)(2)))
show(lambda: (lambda x: lambda y: x + y)(1)(2))
