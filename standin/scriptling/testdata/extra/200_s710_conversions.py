# section 7.10: conversions and their error texts
print(int(2.9), int(-2.9), int("5"), int(" -5 "), int("ff", 16), int("101", 2), float("1.5"), float(2), float(" 3 "), str(None), str([1.0]))
print(bool([]), bool("x"), repr("a'b"), repr(1.0), repr(["a"]), list("ab"), tuple([1]), set("aa"), dict([("a", 1)]), bytes("a"))
print(bin(5), hex(255), oct(8), chr(97), ord("€"), round(2.5), round(-2.5), round(0.5), round(2.345, 1), type(round(2.5)))
print(divmod(-7, 2), divmod(7, -2), -7 // 2, pow(2, 3), pow(2, -1), abs(-5), abs(-2.5))
def show(f):
    try:
        print(f())
    except ValueError as e:
        print("ValueError", e)
    except TypeError as e:
        print("TypeError", e)
    except Exception as e:
        print("Exception", e)
show(lambda: int("abc"))
show(lambda: int("1.5"))
show(lambda: int("zz", 16))
show(lambda: int(True))
show(lambda: int(None))
show(lambda: float("abc"))
show(lambda: int())
show(lambda: str())
show(lambda: float())
show(lambda: len(5))
show(lambda: len(range(3)))
show(lambda: len(None))
for name in [lambda: open("x"), lambda: input(), lambda: eval("1"), lambda: exec("1"), lambda: vars(), lambda: globals(), lambda: frozenset(), lambda: bytearray(), lambda: object()]:
    show(name)
