# Shared state across requests and a background task.
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv

# In HTTP handler. Two requests may be here at once: update() runs the function
# again if the other one was faster, so no user is lost. (get, append, set would
# lose one.)
def handler(request):
    user = request.json()
    users = kv.default.update("users", lambda users: users + [user], default=[])
    return runtime.http.json(200, {"count": len(users)})

# In background task
def worker():
    users = kv.default.get("users", default=[])
    print(f"Total users: {len(users)}")

# What a server does with each request
class Request:
    def __init__(self, name):
        self.name = name
    def json(self):
        return {"name": self.name}

kv.default.delete("users")
for name in ["Ann", "Bob"]:
    response = handler(Request(name))
    print("status", response["status"], "count", response["body"]["count"])
runtime.background("worker", "worker").wait()
