# A leaderboard: a counter for each player, and the best of them in one value, which
# is all that a page has to read.
import scriptling.runtime.kv as kv

scores = kv.default.sub("score:")
TOP = 3

def best(entries):
    ranked = sorted(entries, key=lambda e: (-e[1], e[0]))
    return ranked[:TOP]

def add_points(player, points):
    scores.incr(player, points)
    def rank(top):  # runs again if somebody else was faster, so it reads the score itself
        others = [e for e in top if e[0] != player]
        return best(others + [(player, scores.get(player))])
    kv.default.update("leaderboard", rank, default=[])

scores.clear()
kv.default.delete("leaderboard")
for player, points in [("ann", 5), ("bob", 9), ("cy", 2), ("dan", 7), ("ann", 6), ("cy", 1)]:
    add_points(player, points)
for place, entry in enumerate(kv.default.get("leaderboard")):
    print(place + 1, entry[0], entry[1])
print("the same from all counters:", best(scores.items()) == kv.default.get("leaderboard"))
