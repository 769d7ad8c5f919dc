# A configuration that follows its store: whoever sets a key under "config:", the service
# uses the new value within milliseconds, without polling and without a restart.
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv

# service follows the configuration until "stop" is set, and shows what it uses.
def service():
    config, shown = kv.default.sub("config:"), kv.default.sub("in use:")

    def changed(key, value):
        if key == None: # any key can have changed: read them all
            shown.set_many(dict_of(config))
        elif key == "stop":
            return False
        elif value == None:
            shown.delete(key)
        else:
            shown.set(key, value)

    while not config.exists("stop"):
        # All of it again now and then: a change in the moment before watch begins is not lost.
        shown.set_many(dict_of(config))
        config.watch(changed, timeout=1)

def dict_of(store):
    return {key: value for key, value in store.items()}

kv.default.delete_matching("config:*")
kv.default.delete_matching("in use:*")
config, shown = kv.default.sub("config:"), kv.default.sub("in use:")
config.set_many({"level": "info", "workers": 2})
task = runtime.background("service", "service")
print("at first:", shown.wait("level", timeout=10), shown.wait("workers", timeout=10))
config.set("level", "debug")
print("then:", shown.wait_change("level", "info", timeout=10))
config.delete("workers")
print("deleted:", shown.wait_change("workers", 2, timeout=10))
config.set("stop", True)
task.wait()
