# section 7.10: one-shot iterators, sorting and aggregates
for make in [lambda: range(2), lambda: map(str, [1, 2]), lambda: filter(None, [0, 1, 2]), lambda: zip([1, 2], "ab"), lambda: enumerate("ab"), lambda: reversed([1, 2]), lambda: iter("ab")]:
    it = make()
    print(type(it), list(it), list(it))
seen = []
m = map(lambda x: seen.append(x), [1, 2])
print(seen, list(m))
print(list(enumerate(["a"], 5)), list(zip([1, 2, 3], "ab")), list(range(5, 0, -2)), list(range(1, 3)), list(range(-1)))
print(sorted({3, 1}), sorted("ba"), sorted({"b": 1, "a": 2}), sorted([3, 1, 2], reverse=True), sorted(["b", "A"], key=lambda s: s.lower()), sorted([2, 1.5, True]))
print(sum([1, 2.5]), sum([]), min(3, 1), max([1, 5, 2]), min("ba"), max((1, 2)), all([1, 0]), any([0, 1]), all([]), any([]))
def show(f):
    try:
        print(f())
    except StopIteration as e:
        print("StopIteration")
    except TypeError as e:
        print("TypeError", e)
    except Exception as e:
        print("Exception", e)
def exhausted():
    x = next(iter([]))
show(exhausted)
show(lambda: next(iter([]), "default"))
show(lambda: enumerate({"a": 1}))
show(lambda: zip({1}, [1]))
show(lambda: enumerate({"a": 1}.keys()))
show(lambda: sorted([1, "a"]))
show(lambda: sorted([{}, {}]))
show(lambda: min([]))
show(lambda: max([]))
show(lambda: range(3)[0])
show(lambda: 1 in range(3))
d = {"a": 1}
print(list(keys(d)), list(values(d)), list(items(d)))
l = [1]
append(l, 2)
c = copy(l)
c.append(3)
print(l, c)
