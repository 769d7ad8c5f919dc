# section 7.7: where a raised exception goes on, and where it is a value
def f():
    raise ValueError("boom")
class O:
    pass
class Init:
    def __init__(self):
        raise ValueError("ignored")
def statement():
    f()
def assign():
    x = f()
def item():
    d = {}
    d["k"] = f()
def attribute():
    o = O()
    o.x = f()
def augmented():
    x = 1
    x += f()
def returned():
    return f()
def raised():
    raise f()
def then():
    x = f() if True else 1
def otherwise():
    x = 1 if False else f()
def left_of_or():
    x = f() or 5
def or_statement():
    f() or 5
def or_return():
    return f() or 5
def argument():
    print(f())
    return (lambda *a: type(a[0]))(f())
def appended():
    l = []
    l.append(f())
    return l
def element():
    return [[f()], {"k": f()}, (f(),), [f() for i in range(2)]]
def key():
    d = {}
    d[f()] = 1
    return len(d)
def condition():
    if f():
        return "counts as true"
def loop():
    while f():
        return "counts as true"
def asserted():
    assert f()
    return "counts as true"
def negated():
    return not f()
def left_of_and():
    x = f() and 5
    return x
def text():
    return f"{f()}|" + str(f()) + "|" + repr(f())
def operand():
    return 1 + f()
def compared():
    return f() < 2
def equal():
    return [f() == 2, f() != 2]
def unpacked():
    a, b = f()
def iterated():
    for x in f():
        pass
def method():
    f().m()
def attr():
    return f().a
def index():
    return f()[0]
def init():
    return type(Init())
def by_sorted():
    return sorted([2, 1], key=lambda x: f())
def by_map():
    return list(map(lambda x: f(), [1]))
def by_filter():
    return list(filter(lambda x: f(), [1, 2]))
def by_list_sort():
    l = [1]
    l.sort(key=lambda x: f())
    return l
for t in [statement, assign, item, attribute, augmented, returned, raised, then, otherwise, left_of_or, or_statement, or_return,
    argument, appended, element, key, condition, loop, asserted, negated, left_of_and, text, operand, compared, equal,
    unpacked, iterated, method, attr, index, init, by_sorted, by_map, by_filter, by_list_sort]:
    try:
        r = t()
        print(t.__name__, "->", r)
    except ValueError as e:
        print(t.__name__, "raised", e)
    except TypeError as e:
        print(t.__name__, "TypeError", e)
    except Exception as e:
        print(t.__name__, "error", e)
