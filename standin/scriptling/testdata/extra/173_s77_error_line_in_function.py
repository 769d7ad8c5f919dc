# section 2.2: the line of the innermost statement, in the deepest function
def f(n):
    m = n
    return m + undefined_name
def g():
    x = f(1)
    return x
for i in range(1):
    g()
