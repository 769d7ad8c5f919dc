# The default store: values, expiry, defaults.
import scriptling.runtime.kv as kv

# Store values in the system default store
kv.default.set("api_key", "secret123")
kv.default.set("session:abc", {"user": "bob"}, ttl=3600)

# Retrieve values
api_key = kv.default.get("api_key")
session = kv.default.get("session:abc", default={})

# Check existence
if kv.default.exists("session:abc"):
    print("Session exists")

print("user:", session["user"], "- seconds left:", kv.default.ttl("session:abc"))
print("key has", len(api_key), "characters, ttl", kv.default.ttl("api_key"))
