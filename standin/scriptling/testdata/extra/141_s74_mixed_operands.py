# section 7.4: error texts for operands that do not fit
class A:
    pass
tests = [lambda: 1 + "a", lambda: 1.5 * None, lambda: 1 < [1], lambda: "a" + 1, lambda: "a" - "b", lambda: "a" < 1, lambda: [1] + 1,
    lambda: (1,) + [1], lambda: {1} | [1], lambda: bytes("a") + "b", lambda: bytes("a") == "a", lambda: bytes("a") != 1,
    lambda: None + 1, lambda: [1] < [2], lambda: (1,) < (2,), lambda: {} < {}, lambda: {1} + {2}, lambda: A() + 1, lambda: {} | {}]
for f in tests:
    try:
        f()
    except TypeError as e:
        print("TypeError", e)
    except Exception as e:
        print("Exception", e)
print("ab" * 2, 2 * "ab", "ab" * -1 == "", [1] * 2, (1,) * 2, 2 * [0], [1] + (2,), (1,) + (2,))
print({1, 2} | {3}, {1, 2} & {2, 3}, {1, 2} - {2}, {1, 2} ^ {2, 3})
print(bytes("a") + bytes("b"), bytes("a") * 2, bytes("a") == bytes("a"), "a" == bytes("a"))
print("a" < "b", "B" < "a", "" < "a", "a" <= "a", "z" < "ä")
