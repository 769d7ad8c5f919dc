# sections 2.2 and 7.5: the result of a function without return, and finally
def a():
    if True:
        "in if"
def b():
    for i in [1, 2]:
        i * 10
def c():
    5
    x = 1
def d():
    try:
        "tried"
    except:
        "no"
def e():
    try:
        1 / 0
    except:
        "handled"
def f():
    match 5:
        case 5:
            "matched"
def g():
    while True:
        break
def h():
    pass
print(a(), b(), c(), d(), e(), f(), g(), h())
def r1():
    try:
        return 1
    finally:
        return 2
def r2():
    try:
        return 1
    finally:
        return 2
    print("goes on")
    return 3
def r3():
    try:
        return 1
    finally:
        raise ValueError("dropped")
def r4():
    try:
        pass
    finally:
        return 2
    return "after"
print(r1(), r2(), r3(), r4())
def loop():
    for i in range(3):
        try:
            if i == 1:
                continue
            if i == 2:
                break
        finally:
            print("finally", i)
    return "end"
print(loop())
