# A counter per day that cleans up after itself: each day's key lives for a week. What
# is to go at once goes by pattern.
import scriptling.runtime.kv as kv

visits = kv.default.sub("visits:")
WEEK = 7 * 24 * 3600

def visit(day, page):
    return visits.incr(day + ":" + page, ttl=WEEK)

visits.clear()
for day, page in [("2026-11-22", "home"), ("2026-11-23", "home"), ("2026-11-23", "home"), ("2026-11-23", "about")]:
    visit(day, page)

totals = {}
def add(key, n):
    day = key.split(":")[0]
    totals[day] = totals.get(day, 0) + n
visits.each(add)
print("visits:", [day + " " + str(totals[day]) for day in sorted(totals.keys())])
print("more than six days left:", visits.ttl("2026-11-23:home") > 6 * 24 * 3600)
print("removed of the 22nd:", visits.delete_matching("2026-11-22:*"), "- keys left:", visits.keys())
