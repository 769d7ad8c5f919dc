# section 8: time and random
import time
import random
print(type(time.time()), type(time.perf_counter()), type(time.now()), type(time.gmtime()), len(time.localtime()), len(time.gmtime(0)), time.sleep(0))
t = [2024, 1, 2, 3, 4, 5, 1, 2, 0]
print(time.strftime("%Y-%m-%d %H:%M:%S", t), time.strptime("2024-01-02", "%Y-%m-%d")[:3], type(time.mktime(t)), time.asctime(t))
print(time.localtime(time.mktime(t))[:6] == t[:6], time.monotonic)
def show(f):
    try:
        print(f())
    except TypeError as e:
        print("TypeError", e)
    except Exception as e:
        print("Exception", e)
show(lambda: time.sleep("a"))
random.seed(3)
a = [random.random(), random.randint(1, 9), random.uniform(1, 2), random.choice([1, 2, 3])]
random.seed(3)
print(a == [random.random(), random.randint(1, 9), random.uniform(1, 2), random.choice([1, 2, 3])])
print(random.randint(5, 5), random.randrange(1), random.randrange(3, 4), random.choice("z"), random.choices([7], k=3), len(random.choices([1, 2])), sorted(random.sample([1, 2, 3], 3)))
l = [1, 2, 3]
print(random.shuffle(l), sorted(l), 0 <= random.random() < 1)
def text(f):
    try:
        f()
    except Exception as e:
        print(e)
text(lambda: random.randint(5, 1))
text(lambda: random.randint("a", 1))
text(lambda: random.choice([]))
