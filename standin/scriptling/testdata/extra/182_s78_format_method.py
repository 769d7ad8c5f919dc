# section 7.8: str.format replaces the first {i} and then the first {} per argument
print("{} {}".format(1, 2), "{0} {1} {0}".format("a", "b"), "{1}{0}".format(1, 2))
print("{}".format(), "{} {}".format(1), "x".format(1), "{}{}".format("{}", 5), "{0}{}".format(1, 2))
print("{name}".format(5), "{:5}".format(5), "{0:5}".format(5))
print("{}".format(1.0), "{}".format(None), "{}".format([1.0, "a"]), "{}".format(True))
