# keys and items come sorted, and in pages
import json
names = ["b", "a:2", "a:10", "a:1", "é", "Z", "a", "~", "a/b"]
for n in names:
    store.set(n, len(n))
print(store.keys())
print(store.keys() == sorted(names), [k for k, v in store.items()] == sorted(names))
def pages(pattern, limit):
    found = []
    after = ""
    while True:
        page = store.keys(pattern, limit, after)
        if not page:
            return found
        found.append(page)
        after = page[-1]
print(pages("*", 4))
print(pages("a*", 2))
print(pages("{b,~,nope}", 1))
print(store.keys(after="a:1"), store.keys(after="zzz"), store.keys(after="é"))
print(store.keys("a:1", after="a:1"), store.keys("a:1", after="a"), store.keys("a:1", 1))
print(store.items("a:*", limit=2, after="a:1"))
print(store.count(), store.count("*"), store.count("**"), store.count("a*"), store.count("?"), store.count("[!a]*"), store.count("\\*"))
store.clear()
store.set_many({"key:" + str(i): i for i in range(3000)})
print(len(store.keys()), len(store.keys("key:1*")), len(pages("key:*", 999)), len(store.keys(limit=2999)), store.keys("*9", 1, "key:299"))
