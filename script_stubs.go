package extlibs

import (
	"context"
	"maps"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// stubs are names of calls of other stores and of dicts, each with what to write instead.
// Calling one on a store raises a TypeError that says so.
var stubs = []struct{ name, write string }{
	// Redis, Valkey, memcached
	{"setex", "set(key, value, ttl=seconds)"},
	{"setnx", "add(key, value)"},
	{"getdel", "pop(key)"},
	{"mget", "get_many(keys)"},
	{"mset", "set_many(dict)"},
	{"incrby", "incr(key, delta)"},
	{"decr", "incr(key, -1)"},
	{"decrby", "incr(key, -delta)"},
	{"cas", "compare_and_set(key, old, new)"},
	{"persist", "expire(key, 0)"},
	{"rename", "update_many([old, new], lambda d: {new: d.pop(old)})"},
	{"scan", `each(fn, prefix="user:"), or keys(limit=100, after=last)`},
	{"dbsize", "count()"},
	{"flush", "clear()"},
	{"flushdb", "clear()"},
	{"flushall", "clear()"},
	{"multi", "update_many(keys, fn)"},
	{"pipeline", "set_many(dict), get_many(keys) or delete_many(keys)"},
	{"publish", "set(key, value); watch(fn, pattern) sees it"},
	{"subscribe", "watch(fn, pattern)"},
	{"hset", `sub(key + ":").set(field, value)`},
	{"hget", `sub(key + ":").get(field)`},
	{"hgetall", `sub(key + ":").items()`},
	{"hdel", `sub(key + ":").delete(field)`},
	{"sadd", `sub(key + ":").set(member, True)`},
	{"smembers", `sub(key + ":").keys()`},
	{"lpush", "update(key, lambda l: [value] + l, default=[])"},
	{"rpush", "update(key, lambda l: l + [value], default=[])"},
	{"lpop", `pop_first(prefix="queue:"), with a key for each job`},
	{"rpop", `pop_first(prefix="queue:", reverse=True), with a key for each job`},
	{"blpop", `pop_first(prefix="queue:", wait=seconds), with a key for each job`},
	// dict, shelve, diskcache, Deno KV, badger
	{"values", "items(), which returns (key, value) tuples"},
	{"setdefault", "get_or_set(key, lambda: value)"},
	{"popitem", "pop_first()"},
	{"has", "exists(key)"},
	{"put", "set(key, value)"},
	{"remove", "delete(key)"},
	{"size", "count()"},
	{"len", "count()"},
	{"list", `items(prefix="user:")`},
	{"touch", "expire(key, ttl)"},
	{"lock", `add("lock", token, ttl=60), and compare_and_delete("lock", token) to release it`},
	{"transaction", "update_many(keys, fn)"},
	{"atomic", "update_many(keys, fn)"},
	{"sync", "nothing: a write to a file is durable when it returns"},
}

// stubBuiltins are the stubs as attributes of a store. All stores share the builtins. Each store
// object has a copy of the map, with capacity for its calls: a builtin is called without the
// object that it is an attribute of, so each store needs separate calls, and the interpreter
// looks up names in one map. So the stubs cost a store object only their names in the map.
var stubBuiltins map[string]object.Object

func init() {
	stubBuiltins = make(map[string]object.Object, len(stubs)+len(calls))
	for _, s := range stubs {
		stubBuiltins[s.name] = raises(s.name, "write "+s.write, "not a call of a store: write "+s.write)
	}
}

// storeAttributes returns the attributes of a store without its calls.
func storeAttributes() map[string]object.Object { return maps.Clone(stubBuiltins) }

// raises returns a builtin that raises a new TypeError at each call, whatever its arguments,
// unless one of them is an exception, which it raises instead.
func raises(name, text, help string) *object.Builtin {
	err := kverr.Errorf(ErrType, "%s", text)
	return &object.Builtin{HelpText: help, Fn: func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		if err := raiseIn(args); err != nil {
			return toScript(name, err)
		}
		return toScript(name, err)
	}}
}
