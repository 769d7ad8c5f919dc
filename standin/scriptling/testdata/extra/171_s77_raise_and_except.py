# section 7.7: what can be raised, and which clause matches
def show(f):
    try:
        r = f()
        print("value", r)
    except Exception as e:
        print(e)
show(lambda: ValueError(5))
show(lambda: ValueError([1, "a"]))
show(lambda: ValueError("a", "b"))
show(lambda: NotImplementedError("x"))
def r1():
    raise ValueError
def r2():
    raise "text"
def r3():
    raise 5
def r4():
    raise
for r in [r1, r2, r3, r4]:
    show(r)
try:
    try:
        raise ValueError("v")
    except BaseException:
        print("no")
    except LookupError:
        print("no")
    except ArithmeticError:
        print("no")
    except (NoSuchName, other.NoSuchName):
        print("no")
except ValueError as e:
    print("passed on", e)
try:
    raise ValueError("l")
except [KeyError, ValueError] as e:
    print("list", e)
try:
    raise ValueError("d")
except lib.ValueError as e:
    print("dotted", e)
try:
    1 / 0
except (KeyError, ZeroDivisionError) as e:
    print("tuple", e, type(e), bool(e))
try:
    try:
        raise KeyError("outer")
    except KeyError:
        try:
            raise ValueError("inner")
        except ValueError:
            pass
        raise
except KeyError as e:
    print("again", e)
def helper():
    raise
try:
    try:
        raise KeyError("for helper")
    except KeyError:
        helper()
except KeyError as e:
    print(e)
try:
    try:
        int("x")
    except ValueError:
        print("no")
except Exception as e:
    print("plain", e)
try:
    ValueError("constructor as a statement")
except ValueError as e:
    print(e)
try:
    e = KeyError("assigned")
except KeyError as x:
    print(x)
l = []
l.append(ValueError("stored"))
try:
    y = l[0]
except ValueError as e:
    print("read", e)
try:
    raise l[0]
except ValueError as e:
    print("raised", e)
for f in [lambda: e.args, lambda: e[0], lambda: e.with_traceback(), lambda: len(e)]:
    show(f)
