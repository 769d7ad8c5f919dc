# section 7.6: which places use __str__ and __repr__
class S:
    def __str__(self):
        return "STR"
class R:
    def __repr__(self):
        return "REPR"
def kind(s):
    return s.split(" at ")[0]
s = S()
r = R()
print(str(s), f"{s}", repr(s), repr(r))
print(kind(str(r)), kind(f"{r}"), kind(str([s])), kind(str({"k": s})))
print(S, str(S), type(s), type(S))
