# section 2.2: an error keeps its line through finally and re-raise
def f():
    try:
        x = [1]
        x.pop(7)
    except KeyError:
        print("no")
    finally:
        print("finally")
y = 1
f()
