# A view: the keys under a prefix as a store of their own.
import scriptling.runtime.kv as kv

def user_store(id):
    return kv.default.sub("user:" + id + ":")

ann = user_store("ann")
bob = user_store("bob")
ann.set("theme", "dark")
ann.sub("cart:").set_many({"apple": 2, "pear": 1})
bob.set("theme", "light")
print("ann:", ann.keys(), "- cart:", ann.sub("cart:").items())
print("in the store:", kv.default.keys("user:ann:*"))

def show(key, value):
    print(" ", key, "=", value)
print("entries of ann:", ann.each(show))
ann.clear()
print("ann:", ann.count(), "- bob:", bob.get("theme"))
bob.clear()
