# section 8: json
import json
print(json.dumps({"b": 1, "a": [1.0, 2.5, None, True, "<&>\n\"é"]}), json.stringify([]), json.dumps({}), json.dumps("s"))
print(json.dumps((1, 2)), json.dumps({2, 1}), json.dumps({"t": (1,)}), json.dumps(-3), json.dumps(2.0))
print(json.dumps({"a": [1, {"b": 2}]}, indent="  "))
print(json.dumps({"a": 1}, indent=2), json.dumps({"b": 1, "a": 2}, sort_keys=False))
v = json.loads('{"a": [1, 2.0, 1e2, -1.5, "x", true, null], "b": {}}')
print(v["a"], [type(x) for x in v["a"]], v.b)
print(json.parse("1 2"), json.loads('"\\u00e9"'), type(json.loads("99999999999999999999")))
def show(f):
    try:
        print(f())
    except ValueError as e:
        print("ValueError", e)
    except Exception as e:
        print(str(e).split(": ")[0], "|", e)
show(lambda: json.dumps(float("nan")))
show(lambda: json.loads(5))
show(lambda: json.dumps())
show(lambda: json.loads())
show(lambda: json.loads("1", "2"))
show(lambda: json.loads("{bad"))
