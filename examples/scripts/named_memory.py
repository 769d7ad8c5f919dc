# A named in-memory store, shared by all who use its name.
import scriptling.runtime.kv as kv

# Open a named in-memory store — shared across all callers using the same name
scratch = kv.open(":memory:scratch")
scratch.set("temp", 42)
val = scratch.get("temp")
# No close() needed — store stays open for subsequent calls
print("temp:", val, "- same store:", kv.open(":memory:scratch").get("temp"))
