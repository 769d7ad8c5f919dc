# section 7.6: what a class body, instances and classes can do
class Base:
    """doc"""
    n = 5
    class Nested:
        pass
    def __init__(self, x):
        self.x = x
    def hi(self):
        return "base " + str(self.x)
    @property
    def p(self):
        return self.x
    @p.setter
    def p(self, v):
        self.x = v * 10
    @property
    def ro(self):
        return "ro"
    @staticmethod
    def st(a, b=2):
        return a + b
    @classmethod
    def make(cls, x):
        return cls(x)
class Child(Base):
    def __init__(self, x):
        super(Child, self).__init__(x + 1)
    def hi(self):
        return "child " + super().hi()
print(Base.n, Base.Nested, Base)
c = Child(1)
print(c.hi(), c.p, c.st(1), Child.st(1, 1), type(Child.make(5)), c.make(7).x)
c.p = 3
print(c.p, c.missing)
for f in [lambda: c.nope(), lambda: setattr(c, "ro", 1), lambda: Base.hi(), lambda: Child(1, 2)]:
    try:
        f()
    except Exception as e:
        print(e)
try:
    c.ro = 2
except Exception as e:
    print(e)
Base.shared = "shared"
print(c.shared, Child.shared, isinstance(c, Base), issubclass(Child, Base), isinstance(c, (int, Base)))
Base.added = lambda self: "added " + str(self.x)
print(c.added())
class Raises:
    def __init__(self):
        self.a = 1
        raise ValueError("lost")
r = Raises()
print(r.a)
class Fails:
    def __init__(self):
        1 / 0
try:
    Fails()
except ZeroDivisionError as e:
    print(e)
try:
    class E(Exception):
        pass
except Exception as e:
    print(e)
print(callable(Base), callable(c.hi), callable(c), callable(len), callable(lambda: 1), callable(f))
