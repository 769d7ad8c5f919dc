# Money moves between accounts, and no task ever sees one half of a transfer:
# update_many changes both accounts at once, or neither of them.
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv

accounts = kv.open(":memory:accounts")
accounts.set_many({"ann": 500, "bob": 500})

def transfer(source, target, amount):
    def move(values):
        if values[source] < amount:
            raise ValueError(source + " has only " + str(values[source]))
        return {source: values[source] - amount, target: values[target] + amount}
    return kv.open(":memory:accounts").update_many([source, target], move)

def worker(source, target):
    for n in range(25):
        transfer(source, target, 5)
    return 25

def auditor():
    wrong = 0
    for n in range(50):
        if sum(kv.open(":memory:accounts").get_many(["ann", "bob"]).values()) != 1000:
            wrong = wrong + 1
    return wrong

tasks = [runtime.background("w" + str(i), "worker", ["ann", "bob"][i % 2], ["bob", "ann"][i % 2]) for i in range(4)]
audit = runtime.background("audit", "auditor")
done = sum([t.get() for t in tasks])
print("transfers:", done, "- wrong sums seen:", audit.get(), "- in the end:", sum(accounts.get_many(["ann", "bob"]).values()))
try:
    transfer("ann", "bob", 5000)
except ValueError as e:
    print("refused:", e, "- still:", accounts.get("ann"), accounts.get("bob"))
