# section 7.3: precedence and associativity
print(1 | 2 == 2, 1 & 3 == 3, 1 | 0 and 0, 4 & 6 or 1)
print(not 1 == 2, not 1 in [1], not 1 + 1, not True == False)
print(-2 ** 2, 2 ** 3 ** 2, -2 ** -1, 2 * -3, 10 - 3 - 2, 100 / 10 / 2)
print(1 == 1 < 2, 1 < 2 < 3, 1 < 3 < 2, 1 == 1 == 1, 2 == 2 != 3, 3 > 2 >= 2)
print(1 << 2 + 1, 1 + 2 << 1, 1 << 2 < 5, 1 | 2 ^ 3 & 1)
print(1 not in [2], 1 is not 2, None is not None, "a" not in "abc")
print(1 if 0 else 2 if 0 else 3, 5 and 0 or 7, 0 or None, "" or "x")
print(missing and False, missing or True, False and missing, 1 or missing)
def t(n):
    print("eval", n)
    return n
print(t(1) < t(2) < t(3))
print(t(5) < t(2) < t(3))
