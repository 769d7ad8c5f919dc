# fn may be any function, may use the store, and may fail
def visible(old):
    store.set("other", "written inside")
    return (old or 0) + store.incr("inside")
print(store.update("k", visible), store.get("other"), store.get("inside"))
print(store.update("k", lambda old: store.get_or_set("nested", lambda: 40) + old))
print(store.update("s", str, 5), type(store.get("s")))
def fails(old=None):
    raise IndexError("as raised")
for call in [lambda: store.update("k", fails), lambda: store.get_or_set("new", fails), lambda: store.update("k", lambda v: v.nosuch()), lambda: store.update("k", lambda: 1)]:
    try:
        call()
        print("not reached")
    except IndexError as e:
        print("IndexError", e)
    except Exception as e:
        print(e)
print(store.get("k"), store.exists("new"))
# a function without return gives its last value
def last(old):
    old + 1
print(store.update("k", last))
class Counter:
    def __init__(self):
        self.n = 0
    def step(self, old):
        self.n += 1
        return self.n
c = Counter()
print(store.update("k", lambda old: c.step(old)), store.update("k", lambda *args: c.step(*args)))
# two that race for one key: the one that comes second gets what was kept
def slower():
    store.set("race", "first")
    return "second"
print(store.get_or_set("race", slower), store.get("race"))
# fn runs again when the key changed meanwhile
runs = []
def changed(old):
    runs.append(old)
    if len(runs) == 1:
        store.set("w", 10)
    return (old or 0) + 1
print(store.update("w", changed), runs)
def deleted(old):
    if old == 11:
        store.delete("w")
    return [old]
print(store.update("w", deleted))
