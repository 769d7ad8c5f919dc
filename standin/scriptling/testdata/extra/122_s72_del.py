# section 7.2: del of names, items, slices and attributes
l = [0, 1, 2, 3, 4, 5]
del l[0]
del l[-1]
print(l)
del l[1:3]
print(l)
l = [0, 1, 2, 3, 4]
del l[::2]
print(l)
d = {"a": 1, 5: 2}
del d["a"]
print(d)
class A:
    pass
a = A()
a.f = 1
del a.f
print(a.f)
x = 1
del x
def d1():
    del x
def d2():
    del d["missing"]
def d3():
    del d[7]
def d4():
    del l[9]
def d5():
    del a.f
def d6():
    del nothing[0]
def d7():
    del l[1 / 0]
for f in [d1, d2, d3, d4, d5, d6, d7]:
    try:
        f()
    except NameError as e:
        print("NameError", e)
    except KeyError as e:
        print("KeyError", e)
    except IndexError as e:
        print("IndexError", e)
    except AttributeError as e:
        print("AttributeError", e)
    except Exception as e:
        print("Exception", e)
