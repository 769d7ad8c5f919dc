# section 7.1: integers, floats and strings
print(007, 08, 0x1F, 0b101, 0o17, 9223372036854775807)
print(1.5, 1e3, 2.5e-3)
print("a\tb\\c\'d\"e", len("\0"), 'it"s')
print("\x41\u0041\q\d")
print("""no\tescape\n""", '''one
two\\''')
print(r"raw\n\d" 'joined' "here", rf"{1}\n", fr'\t{2}')
print("spans
lines")
print(("joined "
    "in brackets"))
print(f"{{x}} {1 + 1}\t|", f"""a\t{2}
b""", f'''{3}''')
print("# no comment") # a comment
d = {}
d.class = 1
d.if = 2
print(d.class + d.if)
match = 1
case = 2
print(match + case)
