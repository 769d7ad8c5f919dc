# section 2.2: the line of an uncaught raise is that of the first statement

x = 1
def f():
    raise KeyError("deep")
def g():
    print("before")
    f()
g()
