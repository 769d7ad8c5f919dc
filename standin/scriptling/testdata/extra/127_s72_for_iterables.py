# section 7.2: what for accepts, and one-shot iterators
for x in bytes("ab"):
    print(x)
for x in "äz":
    print(x)
for k, v in {"a": 1}.items():
    print(k, v)
for x in {5}:
    print(x)
class Up:
    def __init__(self):
        self.n = 0
    def __iter__(self):
        return self
    def __next__(self):
        self.n += 1
        if self.n > 2:
            raise StopIteration()
        return self.n
for x in Up():
    print("up", x)
r = range(3)
print(list(r), list(r))
m = map(str, [1])
for x in m:
    print(x)
print(list(m))
it = iter([1, 2, 3])
for x in it:
    break
print(list(it))
d = {1: 1, 2: 2, 3: 3}
turns = 0
for k in d:
    turns += 1
    for other in [1, 2, 3]:
        if other != k and other in d:
            del d[other]
print(turns, len(d))
for x in Up():
    continue
else:
    print("else")
for x in [1]:
    break
else:
    print("no")
