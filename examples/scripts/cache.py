# A cache: the function runs only if the value is not there.
import scriptling.runtime.kv as kv

calls = []

def slow_square(n):
    calls.append(n)
    return n * n

def square(n):
    return kv.default.get_or_set("square:" + str(n), lambda: slow_square(n), ttl=300)

print(square(12), square(12), square(9), square(12))
print("computed:", calls)
