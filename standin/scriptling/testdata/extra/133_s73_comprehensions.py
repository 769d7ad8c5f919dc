# section 7.3: several for clauses, one if each; a generator is a list at once
print([(x, y) for x in range(3) if x for y in range(x) if y])
print({k: v for k, v in [("a", 1)]}, {x % 2 for x in range(4)}, {1: 2 for i in range(3)})
g = (x * 2 for x in range(3))
print(type(g), g, g[1], len(g))
print(sum(x for x in range(4)), [[y for y in range(x)] for x in range(3)])
n = 10
print([n + x for x in [1, 2]], [fn() for fn in [lambda: x for x in range(3)]])
print({}, type({}), {1}, type({1}), (1,), (), [1, 2,], {"a": 1,})
