# section 8: math
import math
print(math.sqrt(4), math.pow(2, 3), math.fabs(-1), math.exp(0), math.sin(0), math.cos(0), math.atan2(0, 1), math.log10(100), math.log2(8))
print(math.hypot(3, 4), math.copysign(1, -2), math.degrees(math.pi), math.radians(180) == math.pi, math.fmod(7, 3), math.fmod(-7.5, 2), math.tanh(0))
print([type(x) for x in [math.sqrt(4), math.fabs(1), math.floor(2.5), math.ceil(2.5), math.trunc(2.5)]])
print(math.floor(-2.5), math.ceil(-2.5), math.trunc(-2.5), math.sqrt(-1), math.log(1))
print(math.gcd(12, 18), math.factorial(0), math.factorial(20), math.comb(5, 2), math.perm(5, 2), math.prod([2, 3]), math.prod([]))
print(math.isnan(math.nan), math.isinf(-math.inf), math.isfinite(1), math.isnan(1.5), math.pi, math.e, math.tau, math.inf)
def show(f):
    try:
        print(f())
    except ValueError as e:
        print("ValueError", e)
    except TypeError as e:
        print("TypeError", e)
    except Exception as e:
        print("Exception", e)
show(lambda: math.fmod(1, 0))
show(lambda: math.sqrt("a"))
show(lambda: math.pow("a", 1))
show(lambda: math.hypot("a", 1))
def text(f):
    try:
        f()
    except Exception as e:
        print(e)
text(lambda: math.log(0))
text(lambda: math.log(-1))
text(lambda: math.factorial(-1))
text(lambda: math.factorial(21))
