# A configuration that follows its store: whoever sets a key under "config:", the service
# uses the new value within milliseconds, without polling and without a restart.
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv

# service follows the configuration until "stop" is set, and shows what it uses.
def service():
    config, shown = kv.default.sub("config:"), kv.default.sub("in use:")

    def changed(key, value):
        if key == None or key == "look": # any key can have changed: read them all
            values = {k: v for k, v in config.items()}
            for k in shown.keys():
                if k not in values:
                    shown.delete(k)
            shown.set_many(values)
            return "stop" not in values
        if value == None:
            shown.delete(key)
        else:
            shown.set(key, value)
        return key != "stop"

    config.watch(changed)

kv.default.delete_matching(prefix="config:")
kv.default.delete_matching(prefix="in use:")
config, shown = kv.default.sub("config:"), kv.default.sub("in use:")
config.set_many({"level": "info", "workers": 2})
task = runtime.background("service", "service")
# A watch reports the changes after it began. So change a key until the watch reports it;
# then the service reads all keys, and from then on it misses none.
while shown.wait("look", timeout=0.05) == None:
    config.incr("look")
print("at first:", shown.get("level"), shown.get("workers"))
config.set("level", "debug")
print("then:", shown.wait_change("level", "info", timeout=10))
config.delete("workers")
print("deleted:", shown.wait_change("workers", 2, timeout=10))
config.set("stop", True)
task.wait()
