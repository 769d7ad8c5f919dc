# Paging through a large store.
import scriptling.runtime.kv as kv

store = kv.open(":memory:big")
store.set_many({"item:" + str(1000 + i): i for i in range(2500)})

pages = 0
total = 0
after = ""
while True:
    page = store.items("item:*", limit=1000, after=after)
    if len(page) == 0:
        break
    pages = pages + 1
    total = total + sum([value for key, value in page])
    after = page[-1][0]
print("pages:", pages, "- keys:", store.count("item:*"), "- sum:", total)
