# sections 1 and 3.2: shortest text outside f-strings, one decimal inside them
print(1.0, 2.5, 1e6, 123456789.0, 1e-5, 0.1 + 0.2, 100000.0, 1e20, 1e21, 0.0001, 1 / 3)
print(1e308 * 10, -1e308 * 10, 1e308 * 10 - 1e308 * 10)
print(f"{1.0} {2.5} {1e6} {123456789.0} {1e-5} {9e18} {1e19} {1e20} {0.1 + 0.2}")
print(str(1.0), [1.0], "%s" % 1.5, "{}".format(1.0), "x" + str(1e6))
