package extlibs

import (
	"context"
	"strings"

	"github.com/paularlott/scriptling/object"
)

var openCall = call{
	name:    "open",
	params:  []param{{name: "name"}},
	returns: "store",
	help:    `Opens or reuses the store of that name: ":memory:NAME" in this process, ":cache:NAME" in this process, which evicts keys when it is full, the path of a file, or the URL of a server.`,
}

// Parameters that several calls share.
var (
	pKey     = param{name: "key"}
	pValue   = param{name: "value"}
	pTTL     = param{name: "ttl", fallback: "0"}
	pDefault = param{name: "default", fallback: "None"}
	pPattern = param{name: "pattern", fallback: `"*"`}
	pPrefix  = param{name: "prefix", fallback: `""`}
	pFn      = param{name: "fn"}
	pKeys    = param{name: "keys"}
	pTimeout = param{name: "timeout", fallback: "None"}
)

// pListing are the parameters of calls that list keys.
var pListing = []param{
	pPattern,
	{name: "limit", fallback: "0"},
	{name: "after", fallback: `""`},
	{name: "before", fallback: `""`},
	pPrefix,
	{name: "reverse", fallback: "False"},
}

var (
	calls     []call   // the methods of every store
	callHelp  []string // what help prints of each of them,
	storeHelp string   // and of a store
)

func init() { // not in the declarations, because the help of a store lists its calls
	calls = []call{
		{"set", []param{pKey, pValue, pTTL, {name: "keep_ttl", fallback: "False"}}, "None",
			"Stores a value and replaces an existing one, including its expiry; ttl is in seconds, 0 for no expiry. keep_ttl=True keeps the time left instead.", callSet},
		{"get", []param{pKey, pDefault}, "value",
			"Returns a copy of the value, or default itself if the key is absent.", callGet},
		{"delete", []param{pKey}, "None",
			"Removes the key; no error if it is absent.", callDelete},
		{"exists", []param{pKey}, "bool",
			"Returns whether the key exists and has not expired.", callExists},
		{"ttl", []param{pKey}, "int",
			"Returns the seconds left, rounded up; -1 without expiry, -2 if the key is absent.", callTTL},
		{"keys", pListing, "list",
			`Returns the keys that match, sorted, descending with reverse=True; at most limit of them if it is not 0; only those greater than after, less than before, and starting with prefix.
prefix is taken literally, so text from outside belongs there: keys(prefix="user:" + name + ":"). pattern matches the whole key: "user:*", not "user:" or "^user".`, callKeys},
		{"clear", nil, "None",
			"Removes all keys atomically.", callClear},
		{"close", nil, "None",
			"Closes a named store for all who have it open; a store in memory loses its keys. The next kv.open opens it again; kv.default stays open.", callClose},
		{"incr", []param{pKey, {name: "delta", fallback: "1"}, pTTL}, "number",
			"Atomically adds to a number and returns the sum; an absent key counts as 0 and takes ttl.", callIncr},
		{"add", []param{pKey, pValue, pTTL}, "bool",
			"Stores the value only if the key is absent; returns whether it did.", callAdd},
		{"update", []param{pKey, pFn, pDefault}, "value",
			"Atomically replaces the value with fn(value), which must not be None, and returns it; fn runs again if the key changed meanwhile.", callUpdate},
		{"update_many", []param{pKeys, pFn}, "dict",
			"Atomically replaces the values of several keys with fn(values), a dict of those of keys that exist, and returns it; a key that fn leaves out is removed; fn runs again if one of keys changed meanwhile.", callUpdateMany},
		{"get_or_set", []param{pKey, pFn, pTTL}, "value",
			"Returns the value, or stores and returns fn() if the key is absent; of callers at the same time one runs fn, the others wait for it.", callGetOrSet},
		{"pop", []param{pKey, pDefault}, "value",
			"Removes the key and returns its value, or default if it is absent.", callPop},
		{"pop_first", []param{pPattern, {name: "wait", fallback: "0"}, pPrefix, {name: "reverse", fallback: "False"}, pDefault}, "tuple",
			"Removes the first key that matches, or the last one with reverse=True, and returns (key, value), or default if none matches; concurrent callers get different keys. It waits up to wait seconds for a key, None: until the script's deadline.", callPopFirst},
		{"expire", []param{pKey, {name: "ttl"}}, "bool",
			"Gives a key a new ttl in seconds, 0 for no expiry; returns whether the key exists.", callExpire},
		{"items", pListing, "list",
			"Returns (key, value) tuples; the arguments are those of keys.", callItems},
		{"count", []param{pPattern, pPrefix}, "int",
			`Returns how many keys match and start with prefix, which is taken literally; the number of all keys is known without counting.
pattern matches the whole key: count("user:") counts one key, count(prefix="user:") all that start with it.`, callCount},
		{"get_many", []param{pKeys}, "dict",
			"Returns the values of those keys that exist.", callGetMany},
		{"set_many", []param{{name: "dict"}, pTTL}, "None",
			"Stores all values of a dict, or none if one of them fails; one durable write on disk.", callSetMany},
		{"delete_many", []param{pKeys}, "int",
			"Removes the keys atomically; returns how many existed.", callDeleteMany},
		{"compare_and_set", []param{pKey, {name: "old"}, {name: "new"}, {name: "ttl", fallback: "None"}}, "bool",
			"Stores new only if the value equals old, types included; ttl None keeps the time left, 0 is no expiry; returns whether it stored new.", callCompareAndSet},
		{"compare_and_delete", []param{pKey, {name: "old"}}, "bool",
			"Removes the key only if its value equals old, types included; returns whether it did.", callCompareAndDelete},
		{"delete_matching", []param{pPattern, pPrefix}, "int",
			`Removes the keys that match and start with prefix, page by page, and returns how many; keys that are set meanwhile can remain. One of the two is required.
prefix is taken literally, so text from outside belongs there: delete_matching(prefix="user:" + name + ":"). In a pattern, the name * would delete everyone.`, callDeleteMatching},
		{"each", append([]param{pFn}, pListing...), "int",
			"Calls fn(key, value) for the keys that match, in order, until it returns False; returns the number of calls. The other arguments are those of keys.", callEach},
		{"wait", []param{pKey, pTimeout, pDefault}, "value",
			"Returns the value as soon as the key exists; default after timeout seconds, None: until the script's deadline.", callWait},
		{"wait_change", []param{pKey, {name: "old"}, pTimeout}, "value",
			"Returns the value as soon as it is not equal to old, types included; an absent key is None. Returns old after timeout seconds.", callWaitChange},
		{"watch", []param{pFn, pPattern, pTimeout, pPrefix}, "int",
			"Calls fn(key, value) for keys that change, value None for a removed key, until fn returns False or timeout seconds have passed; fn(None, None) means that any key can have changed. Returns the number of calls.", callWatch},
		{"sub", []param{{name: "prefix"}}, "store",
			"Returns a store of the keys that start with prefix, which its calls neither take nor return; close does nothing on it.", callSub},
	}
	var names []string
	for i := range calls {
		names = append(names, calls[i].name)
		callHelp = append(callHelp, calls[i].helpText())
	}
	storeHelp = "a key-value store; its calls are " + strings.Join(names, ", ") + `
It is not a dict: instead of key in store, store[key], store[key] = value, del store[key] and len(store),
write store.exists(key), store.get(key), store.set(key, value), store.delete(key) and store.count().`
}

// param is a parameter of a call. Its default, where it has one, is given in the
// script's own syntax and is what the call does when the argument is nil.
type param struct {
	name     string
	fallback string // "": required
}

// call is one call that scripts can make: its name, parameters, result, help text and
// function.
type call struct {
	name    string
	params  []param
	returns string
	help    string
	run     func(ctx context.Context, h *Handle, a arguments) (object.Object, error)
}

func (c *call) helpText() string {
	return c.signature() + " -> " + c.returns + "\n" + c.help
}

// signature is the call as a script's author would write it.
func (c *call) signature() string {
	parts := make([]string, len(c.params))
	for i, p := range c.params {
		parts[i] = p.name
		if p.fallback != "" {
			parts[i] += "=" + p.fallback
		}
	}
	return c.name + "(" + strings.Join(parts, ", ") + ")"
}

func (c *call) index(name string) int {
	for i, p := range c.params {
		if p.name == name {
			return i
		}
	}
	return -1
}
