# section 2.2: a decorated function reports its def line
def deco(fn):
    return fn
@missing
@deco
def f():
    pass
