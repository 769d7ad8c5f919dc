# wait, wait_change and watch of changes that came before, while they wait, and never.

store.set("there", {"a": [1, 2]})
print(store.wait("there"), store.wait("there", timeout=5, default=7))
marker = [1]
print(store.wait("absent", timeout=0.01), store.wait("absent", 0, marker) is marker, store.wait("absent", default=5, timeout=0))

print(store.wait_change("there", None), store.wait_change("there", {"a": [1, 2.0]}), store.wait_change("absent", 1))
old = {"a": [1, 2]}
print(store.wait_change("there", old, timeout=0.01) is old, store.wait_change("absent", None, 0))
store.set("none", None)
print(store.wait_change("none", None, timeout=0), store.wait_change("none", 1, timeout=0))
store.set("one", 1)
print(store.wait_change("one", 1.0), store.wait_change("one", True), store.wait_change("one", 1, timeout=0))

for attempt in [lambda: store.wait("k", timeout=-1), lambda: store.wait("k", timeout=float("nan")), lambda: store.wait("k", timeout="1"),
        lambda: store.wait("k", timeout=True), lambda: store.wait_change("k", lambda: 1, timeout=1), lambda: store.watch(1),
        lambda: store.watch(lambda k, v: False, pattern="["), lambda: store.watch(lambda k, v: False, prefix=1)]:
    try:
        print(attempt())
    except TypeError as e:
        print("TypeError", e)
    except ValueError as e:
        print("ValueError", e)
