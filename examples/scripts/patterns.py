# Keys by pattern.
import scriptling.runtime.kv as kv

kv.default.set("user:1", {"name": "Alice"})
kv.default.set("user:2", {"name": "Bob"})
kv.default.set("session:abc", {"user_id": 1})

# Get all user keys
user_keys = kv.default.keys("user:*")  # ["user:1", "user:2"]
print("users:", user_keys)
print("users and sessions:", kv.default.keys("{user,session}:*"))
