# section 7.2: what __exit__ gets, suppression, and leaving the block early
class C:
    def __init__(self, quiet):
        self.quiet = quiet
    def __enter__(self):
        return 7
    def __exit__(self, t, v, tb):
        print("exit", t, v, tb)
        return self.quiet
with C(False) as x:
    print(x)
with C(True):
    raise ValueError("raised")
with C(True):
    y = 1 / 0
try:
    with C(False):
        raise KeyError("k")
except KeyError as e:
    print("caught", e)
def f():
    with C(False):
        return 5
print(f())
for i in range(3):
    with C(False):
        if i == 1:
            break
print(i)
class NoExit:
    def __enter__(self):
        return 1
for o in [5, NoExit()]:
    try:
        with o:
            print("no")
    except Exception as e:
        print(e)
