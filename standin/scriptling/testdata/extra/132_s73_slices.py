# section 7.3: slices of every sequence type, also with negative steps
l = [0, 1, 2, 3, 4]
print(l[1:3], l[:2], l[3:], l[-2:], l[:-3], l[::2], l[::-1], l[10:], l[-10:2], l[3:1])
print(l[4:1:-2], l[:2:-1], l[-1:-4:-1], l[2::-1], l[9:-9:-2], l[-9::-1], l[1:4:2])
s = "aäböc"
print(s[1:4], s[::-1], s[-2:], s[1], s[-4], len(s), s[9], s[::2])
t = (0, 1, 2)
print(t[::-1], t[1:], t[:1], t[5:])
b = bytes("abc")
print(b[::-1], b[1:], b[0], b[-1], b[9])
for f in [lambda: l[::0], lambda: s[::0], lambda: t[::0], lambda: b[::0]]:
    try:
        f()
    except Exception as e:
        print(e)
for f in [lambda: l["a"], lambda: l[True], lambda: l[1.0], lambda: s["a"], lambda: t[None], lambda: b["x"], lambda: 5[0], lambda: {1}[0]]:
    try:
        f()
    except Exception as e:
        print(e)
part = l[1:3]
part[0] = 9
print(l, part)
part.append(8)
print(l[3], l.copy() == list(l))
copied = l.copy()
copied[0] = 7
whole = list(l)
whole[0] = 6
stepped = l[::2]
stepped[0] = 5
print(l)
