# section 7.2: scopes of assignments, comprehensions, loops and handlers
x = 10
def before():
    print(x)
    x = 5
    return x
print(before(), x)
n = 1
def count():
    n += 1
    return n
print(count(), count(), n)
def outer():
    n = 0
    def local():
        n += 1
        return n
    def shared():
        nonlocal n
        n += 1
        return n
    return [local(), local(), n, shared(), shared(), n]
print(outer())
def nowhere():
    nonlocal q
    q = 1
    return q
print(nowhere())
try:
    q
except NameError as e:
    print(e)
def setg():
    global g1, g2
    g1 = 1
    g2 = 2
setg()
print(g1, g2)
print([x for x in "ab"], {x: 1 for x in "a"}, {x for x in "a"}, x)
for loop in range(3):
    pass
print(loop)
try:
    raise ValueError("stays")
except ValueError as err:
    pass
print(err)
