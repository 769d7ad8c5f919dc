# section 7.5: closures are live
def make():
    v = 1
    def get():
        return v
    first = get()
    v = 2
    return [first, get()]
print(make())
fs = []
for i in range(3):
    def f():
        return i
    fs.append(f)
print([f() for f in fs])
def counter():
    n = 0
    def up(by=1):
        nonlocal n
        n += by
        return n
    return up
c = counter()
c()
print(c(5), counter()())
def later():
    return defined_later()
def defined_later():
    return "found"
print(later())
print = 5
print2 = str
del print
print(print2(7))
