# section 7.2: every kind of pattern
def m(x):
    match x:
        case 1:
            return "one"
        case 2 | 3:
            return "two or three"
        case "a" | "b" as s:
            return "letter " + s
        case -5:
            return "minus five"
        case 2.5:
            return "two and a half"
        case None:
            return "none"
        case True:
            return "true"
        case False:
            return "false"
        case []:
            return "empty list"
        case [1, [p, q]]:
            return ["nested", p, q]
        case [p, q]:
            return ["pair", p, q]
        case {"k": {"n": int() as n}}:
            return ["deep", n]
        case {"k": v}:
            return ["k", v]
        case int() as n if n > 100:
            return ["big", n]
        case int():
            return "int"
        case float():
            return "float"
        case str():
            return "str"
        case list():
            return "list"
        case tuple():
            return "tuple"
        case set():
            return "set"
        case dict():
            return "dict"
        case _:
            return "other"
for x in [1, 3, "b", -5, 2.5, None, True, False, [], [1, [2, 3]], [1, 2], [1], (1, 2), {"k": {"n": 4}}, {"k": 5, "z": 6}, {}, 101, 99, 1.5, "z", {1}, len]:
    print(m(x))
x = 4
match x:
    case y if y > 10:
        print("no")
print(y)
match x:
    case 5:
        print("no")
match x + 1:
    case 5: print("one line")
