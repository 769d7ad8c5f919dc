# A store in a file, which is there again at the next run.
import scriptling.runtime.kv as kv

db = kv.open("agent.db")
before = db.get("last_topic", default="")
db.set("last_topic", "python async")
topic = db.get("last_topic", default="")
# Store remains open between interpreter invocations
print("topic:", topic)
if before == "":
    print("this is the first run")
else:
    print("an earlier run stored:", before)
