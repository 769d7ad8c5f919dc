# section 7.2: a failing assert is a plain error
try:
    assert 1 == 2
except Exception as e:
    print(e)
try:
    assert 0, "text"
except AssertionError:
    print("no")
except Exception as e:
    print(e, type(e))
assert [0], 1 / 0
x = 1
assert x == 2, f"x is {x}"
