# incr keeps ints ints, and makes floats of floats
print(store.incr("i"), store.incr("i", 41), store.get("i"), type(store.get("i")))
print(type(store.incr("i", 1.0)), store.get("i"), type(store.get("i")))
print(store.incr("f", 0.5), store.incr("f", 1), type(store.get("f")))
print(type(store.incr("z", 0.0)), type(store.incr("zz", 0)))
store.set("most", 9223372036854775806)
print(store.incr("most"), store.incr("most", -9223372036854775807), store.incr("most", -9223372036854775807 - 1))
try:
    store.incr("most", -1)
except ValueError as e:
    print("overflow", store.get("most"))
print(store.incr("inf", float("inf")), store.incr("inf", 1), store.incr("big", 1e308), store.incr("big", 1e308))
