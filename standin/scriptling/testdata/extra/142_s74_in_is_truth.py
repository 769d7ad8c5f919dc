# section 7.4: membership, identity and truth
d = {"k": 1, 5: 2}
print(1 in [1], 1.0 in [1], True in [1], "k" in d, 5.0 in d, "b" in "abc", "" in "abc", 97 in bytes("a"), [1] in [[1]], 2 in (1, 2), 1 in {1})
print("k" in d.keys(), 1 in d.values(), ("k", 1) in d.items(), "z" in d.keys())
class Has:
    def __contains__(self, x):
        return x == 3
print(3 in Has(), 4 in Has(), 4 not in Has())
for f in [lambda: 1 in "abc", lambda: 1 in 5, lambda: 1 in None, lambda: 1 in range(3)]:
    try:
        f()
    except TypeError as e:
        print(e)
print(1 not in 5, 1 not in "abc", 1 not in None)
print(None is None, 10000 is 10000, 10001 is 10001, -5 is -5, -6 is -6, True is True, 1 is True)
print("abcdefghijklmnopqrst" is "abcdefghijklmnopqrst", "abcdefghijklmnopqrstu" is "abcdefghijklmnopqrstu", [] is [], 1 is not 1)
class Len:
    def __len__(self):
        return 0
class Both:
    def __len__(self):
        return 0
    def __bool__(self):
        return True
falsy = [None, False, 0, 0.0, "", bytes(""), [], (), {}, set(), {}.keys(), {}.values(), {}.items(), Len()]
print([bool(x) for x in falsy])
print([bool(x) for x in [1, -1, 0.5, " ", [0], (0,), {0: 0}, {0}, len, Both(), Has()]])
