# section 7.9: methods of str; find, index and count give byte offsets
s = "aBc dE"
print(s.upper(), s.lower(), s.swapcase(), "hello wORLD".title(), "hELLO".capitalize(), "ABC".casefold())
print("[" + "  a ".strip() + "][" + "  a ".lstrip() + "][" + "  a ".rstrip() + "]", "xxaxx".strip("x"), "xya".lstrip("yx"), "aab".rstrip("b"))
print("a b  c".split(), "a,b,,c".split(","), "a,b,c".split(",", 1), " a b ".split(" "), "a1b".split("1"), len("".split(",")), len("".split()))
print("a\nb\r\nc".splitlines(), "a\n\nb\n".splitlines(), "".splitlines())
print(",".join(["a", 1, 2.0, None, True]), "-".join("abc"), ",".join(("x",)), ",".join({"k": 1}), ",".join(range(3)), ",".join([]) == "")
print("abcabc".replace("b", "X"), "aaa".replace("aa", "b"), "abc".replace("z", "y"))
print("äbäb".find("b"), "äbäb".rfind("b"), "äb".index("b"), "äbä".rindex("ä"), "ääb".count("ä"), "abc".find("z"), "abcabc".find("b", 2))
print("äöü"[1], "äöü"[1:], len("äöü"), "日本語"[::-1])
print("abc".startswith("ab"), "abc".endswith("bc"), "abc".startswith("b"), "abc".endswith(""))
print("12".isdigit(), "1a".isdigit(), "ab".isalpha(), "a1".isalnum(), " \t".isspace(), "A1".isupper(), "a1".islower(), "12".isnumeric(), "12".isdecimal())
print("Ab Cd".istitle(), "a_1".isidentifier(), "1a".isidentifier(), "a b".isprintable(), "a\n".isprintable(), "".isdigit(), "".isalpha())
print("5".zfill(3), "-5".zfill(4), "a".center(5, "*"), "a".ljust(3, "."), "a".rjust(3, "."), "[" + "a".center(3) + "]")
print("a-b-c".partition("-"), "a-b-c".rpartition("-"), "abc".partition("-"), "abc".rpartition("-"))
print("prefix".removeprefix("pre"), "prefix".removesuffix("fix"), "a".removeprefix("b"))
print("a\tb".expandtabs(4), "aä".encode(), "abc".translate("".maketrans({"a": "x"})))
for f in [lambda: "a".index("z"), lambda: "a".rindex("z"), lambda: "a".nosuch(), lambda: "a b".rsplit(" "), lambda: "a".startswith(("a", "b"))]:
    try:
        f()
    except Exception as e:
        print(e)
