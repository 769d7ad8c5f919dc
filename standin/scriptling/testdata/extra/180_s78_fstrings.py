# section 7.8: what stands between the braces
x = 5
f = 2.5
d = {"k": "v"}
print(f"{x} {1.0} {f} {1e20} {True} {None} {[1.0, 'a']} {d['k']} {'q' if x else 'r'}")
print(f"{x!r} {x!s} {x=} {f!r:>5}|")
print(f"[{}] [{ }] [{+}] [{1 +}] [{ 5 }]")
print(f"{'a:b'}|{[1, 2][0:1]}|")
print(f"{lambda: 1}|{x:>4}|{x:04d}|")
print(f"{{}} {{{x}}} {{x}}")
try:
    print(f"{undefined_name}")
except NameError as e:
    print(e)
