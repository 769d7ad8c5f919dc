# section 7.8: the operator %
print("%s|%d|%i|%f|%x|%X|%o|%c|%c|%%" % ("a", 5, 6, 2.5, 255, 255, 8, 65, "z"))
print("%5d|%-5d|%05d|%+d|% d|%8.3f|%-8.1f|%.2e|" % (5, 5, 5, 5, 5, 2.5, 2.5, 12345.678))
print("%5s|%-5s|%5r|%5c|" % ("a", "a", "a", "a"))
print("%s %s %s %s" % (None, True, [1.0, "a"], {"k": 1}))
print("%r %r %r" % ("text", 5, None))
print("%s" % "alone", "%d%%" % 50, "%s" % (1,), "none" % (), "%d" % 3.9, "%s" % [1, 2])
for f in [lambda: "%s %s" % ("a",), lambda: "%s" % (1, 2), lambda: "none" % 1, lambda: "%d" % "x", lambda: "%(k)s" % {"k": 1}]:
    try:
        f()
    except Exception as e:
        print(e)
