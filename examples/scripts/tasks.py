# A named store shared by background tasks.
import scriptling.runtime.kv as kv
import scriptling.runtime as runtime

def task_a():
    store = kv.open(":memory:shared")
    store.set("result_a", "done")

def task_b():
    store = kv.open(":memory:shared")
    store.set("result_b", "done")

a = runtime.background("a", "task_a")
b = runtime.background("b", "task_b")
a.wait()
b.wait()
print("results:", kv.open(":memory:shared").keys())
