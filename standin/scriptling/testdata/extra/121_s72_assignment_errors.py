# section 7.2: texts of failing assignments and unpackings
s = "abc"
t = (1, 2)
l = [1, 2]
class A:
    pass
def a1():
    a, b = [1, 2, 3]
def a2():
    a, b = "ab"
def a3():
    a, *b, c = [1]
def a4():
    for a, b in [(1, 2, 3)]:
        pass
def a5():
    for a, b in [5]:
        pass
def a6():
    s[0] = "x"
def a7():
    t[0] = 1
def a8():
    l[2] = 1
def a9():
    l[0:1] = [5]
def a10():
    s.attr = 1
def a11():
    nothing[0] = 1
def a12():
    l[1 / 0] = 1
def a13():
    nothing.attr = 1
def a14():
    [x for x, y in [(1,)]]
def a15():
    a, b = 5
def a16():
    for a in 5:
        pass
def a17():
    for a in None:
        pass
for f in [a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17]:
    try:
        f()
        print("no error")
    except Exception as e:
        print(e)
a = b = 3
a, *b, c = (1, 2, 3, 4)
*d, e = [5]
print(a, b, c, d, e)
for i, (p, (q, r)) in [(1, (2, (3, 4)))]:
    print(i, p, q, r)
print([p + q for i, (p, q) in [(1, (2, 3))]])
l[-1] = 9
print(l)
