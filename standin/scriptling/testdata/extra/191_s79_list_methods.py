# section 7.9: methods of list and tuple
l = [3, 1, 2]
print(l.append(4), l.extend([5]), l.extend((6,)), l.extend({7}), l)
print(l.pop(), l.pop(0), l.pop(-2), l.insert(0, "x"), l.remove("x"), l)
print(l.sort(), l, l.sort(reverse=True), l, l.sort(key=lambda v: -v), l, l.reverse(), l)
print([1, 2, 1].index(1), [1, 2, 1].count(1), (1, 2, 1).count(1), (1, 2).index(2))
inner = [1]
print([inner].index(inner), [inner].count([1]), [1] in [inner], ([1],).count([1]))
c = l.copy()
c.clear()
print(c, len(l))
mixed = [3, "a", 1]
mixed.sort()
print(len(mixed))
def show(f):
    try:
        print(f())
    except Exception as e:
        print(e)
show(lambda: [].pop())
show(lambda: [1].pop(5))
show(lambda: [1].remove(2))
show(lambda: [1].index(2))
show(lambda: [[1]].index([1]))
show(lambda: [[1]].remove([1]))
show(lambda: [1].extend("ab"))
show(lambda: [1].extend(range(2)))
show(lambda: [1].extend({"a": 1}))
show(lambda: [1].nosuch())
show(lambda: [1].append())
for x in [5, "a", 1.5, None, True, [], (), {}, {1}, len, bytes("a")]:
    print(x.type())
b = bytes("hi")
print(b.decode(), b.hex(), b.base64(), b.length(), b)
