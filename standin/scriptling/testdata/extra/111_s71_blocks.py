# section 7.1: a tab is four columns, blank and comment lines never end a block
if True:
	x = 1
    y = 2
# not indented

        # indented too far
	print(x + y)
print([
1,
        2,  # brackets
    3,

])
def f(
a,
    b=2
):
    return a + b
print(f(1)); print(f(2));
