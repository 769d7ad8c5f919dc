package extlibs

// examples has an example of each call, for its help.
var examples = map[string]string{
	"open":               `kv.open(":memory:scratch").incr("hits")`,
	"set":                `kv.default.set("session:abc", {"user": "ann"}, ttl=3600)`,
	"get":                `kv.default.get("session:abc", default={})`,
	"delete":             `kv.default.delete("session:abc")`,
	"exists":             `kv.default.exists("session:abc")`,
	"ttl":                `kv.default.ttl("session:abc")`,
	"keys":               `kv.default.keys(prefix="session:", limit=100)`,
	"clear":              `kv.open(":memory:scratch").clear()`,
	"close":              `kv.open(":memory:scratch").close()`,
	"incr":               `kv.default.incr("requests:ann", ttl=60)`,
	"add":                `kv.default.add("lock", "me", ttl=30)`,
	"update":             `kv.default.update("log", lambda lines: lines + ["started"], default=[])`,
	"update_many":        `kv.default.update_many(["old", "new"], lambda values: {"new": values["old"]})`,
	"get_or_set":         `kv.default.get_or_set("page:7", lambda: "<h1>7</h1>", ttl=300)`,
	"pop":                `kv.default.pop("message", default="no message")`,
	"pop_first":          `kv.default.pop_first(prefix="job:", wait=5)`,
	"expire":             `kv.default.expire("session:abc", 3600)`,
	"items":              `kv.default.items(prefix="user:", limit=100)`,
	"count":              `kv.default.count(prefix="user:")`,
	"get_many":           `kv.default.get_many(["user:1", "user:2"])`,
	"set_many":           `kv.default.set_many({"user:1": "Ann", "user:2": "Bob"})`,
	"delete_many":        `kv.default.delete_many(["user:1", "user:2"])`,
	"compare_and_set":    `kv.default.compare_and_set("state", "open", "closed")`,
	"compare_and_delete": `kv.default.compare_and_delete("lock", "me")`,
	"delete_matching":    `kv.default.delete_matching(prefix="session:")`,
	"each":               `kv.default.each(lambda key, value: print(key, value), prefix="user:")`,
	"wait":               `kv.default.wait("result:7", timeout=5)`,
	"wait_change":        `kv.default.wait_change("config", None, timeout=5)`,
	"watch":              `kv.default.watch(lambda key, value: key != "stop", prefix="user:", timeout=60)`,
	"sub":                `kv.default.sub("user:ann:").set("theme", "dark")`,
}

// callGroups lists the calls of a store by purpose, for its help.
const callGroups = `
  read:   get exists ttl get_many
  write:  set add incr update get_or_set compare_and_set expire set_many update_many
  remove: delete pop pop_first delete_many delete_matching compare_and_delete clear
  list:   keys items count each
  wait:   wait wait_change watch
  other:  sub close
`
