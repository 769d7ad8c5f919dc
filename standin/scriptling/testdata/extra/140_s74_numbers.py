# section 7.4: integers wrap and truncate, floats floor
top = 9223372036854775807
print(top + 1, -top - 2, top * 2, -(-top - 1))
print(7 // 2, -7 // 2, 7 // -2, -7 % 3, 7 % -3, 7 / 2, 6 / 3)
print(-7.0 // 2, 7 // -2.0, 7.5 // 2)
def p(b, e):
    return b ** e
print(p(2, 40), p(2, 41), p(3, 40), p(10, 20), p(1, 100), p(-1, 101), p(0, 50), p(2, -1), p(2.0, 3), p(4, 0.5))
print(2 ** 41, 2 ** 62, 2 ** 63)
print(1 << 62, -8 >> 1, 5 & 3, 5 | 3, 5 ^ 3, ~5)
print(True + True, True * 2.5, True < 2, True == 1, 1.0 == 1, False == 0.0, 1 == "1")
for f in [lambda: 1 / 0, lambda: 1 // 0, lambda: 1 % 0, lambda: 1.5 / 0, lambda: 1.5 // 0.0]:
    try:
        f()
    except ZeroDivisionError as e:
        print(e)
for f in [lambda: 1.5 % 2, lambda: 5 % 2.0, lambda: 1 << -1, lambda: 1 >> -1, lambda: ~1.5, lambda: -"a", lambda: -None]:
    try:
        f()
    except Exception as e:
        print(e)
