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
	help:    `Opens a store, or returns it if it is open: ":memory:NAME" is a store in this process, ":cache:NAME" is one that evicts keys when it is full; other names are the path of a file or the URL of a server.`,
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
	calls    []call   // the methods of every store
	callHelp []string // their help texts
)

// storeHelp is the help text of a store.
const storeHelp = "A key-value store. help(kv.default.set), and so on, describes each of its calls:" + callGroups +
	`It is not a dict: instead of key in store, store[key], store[key] = value, del store[key] and len(store),
write store.exists(key), store.get(key), store.set(key, value), store.delete(key) and store.count().`

func init() { // not in the declarations, because the functions of the calls refer to them
	calls = []call{
		{"set", []param{pKey, pValue, pTTL, {name: "keep_ttl", fallback: "False"}}, "None",
			"Stores a value and replaces an existing one, including its expiry. ttl is in seconds, 0 for no expiry; keep_ttl=True keeps the remaining ttl instead.", callSet},
		{"get", []param{pKey, pDefault}, "value",
			"Returns a copy of the value, or default itself if the key is absent.", callGet},
		{"delete", []param{pKey}, "None",
			"Removes the key. It is not an error if the key is absent.", callDelete},
		{"exists", []param{pKey}, "bool",
			"Returns whether the key exists and has not expired.", callExists},
		{"ttl", []param{pKey}, "int",
			"Returns the remaining seconds, rounded up; -1 if the key does not expire, -2 if it is absent.", callTTL},
		{"keys", pListing, "list",
			`Returns a sorted list of the keys that match pattern, start with prefix, and are greater than after and less than before. reverse=True sorts in descending order. limit is the maximum number of keys, 0 for all.
prefix is taken literally, so put text from outside there: keys(prefix="user:" + name + ":"). pattern matches the whole key: "user:*", not "user:" or "^user".`, callKeys},
		{"clear", nil, "None",
			"Removes all keys atomically.", callClear},
		{"close", nil, "None",
			"Closes a named store for everyone who has it open; a store in memory loses its keys. The next kv.open opens it again. kv.default and views stay open.", callClose},
		{"incr", []param{pKey, {name: "delta", fallback: "1"}, pTTL}, "number",
			"Atomically adds delta to a number and returns the new number. A missing key counts as 0, and only then is ttl applied.", callIncr},
		{"add", []param{pKey, pValue, pTTL}, "bool",
			"Stores the value only if the key is absent; returns whether it was stored.", callAdd},
		{"update", []param{pKey, pFn, pDefault}, "value",
			"Atomically replaces the value with fn(value), which must not be None, and returns the new value. If the key is absent, fn gets default. fn runs again if the key changed meanwhile. The remaining ttl is kept.", callUpdate},
		{"update_many", []param{pKeys, pFn}, "dict",
			"Calls fn with a dict of the existing keys and their values, and atomically stores the dict that fn returns: keys that are missing from it are removed. Returns that dict. fn runs again if one of the keys changed meanwhile.", callUpdateMany},
		{"get_or_set", []param{pKey, pFn, pTTL}, "value",
			"Returns the value, or stores and returns fn() if the key is absent. Of several concurrent callers only one runs fn; the others wait for its value.", callGetOrSet},
		{"pop", []param{pKey, pDefault}, "value",
			"Removes the key and returns its value, or default if it is absent.", callPop},
		{"pop_first", []param{pPattern, {name: "wait", fallback: "0"}, pPrefix, {name: "reverse", fallback: "False"}, pDefault}, "tuple",
			"Removes the first key that matches, or the last one with reverse=True, and returns (key, value), or default if no key matches. Concurrent callers get different keys. The call waits up to wait seconds for a key; None means until the script's deadline.", callPopFirst},
		{"expire", []param{pKey, {name: "ttl"}}, "bool",
			"Sets the ttl of an existing key, in seconds, 0 for no expiry; returns whether the key exists.", callExpire},
		{"items", pListing, "list",
			"Returns a sorted list of (key, value) tuples; the arguments are those of keys.", callItems},
		{"count", []param{pPattern, pPrefix}, "int",
			`Returns the number of keys that match pattern and start with prefix, which is taken literally. count() of all keys needs no scan.
pattern matches the whole key: count("user:") counts only the key "user:", and count(prefix="user:") counts all keys that start with it.`, callCount},
		{"get_many", []param{pKeys}, "dict",
			"Returns a dict of the keys that exist and their values, all as of one moment.", callGetMany},
		{"set_many", []param{{name: "dict"}, pTTL}, "None",
			"Atomically stores all values of a dict: if one of them is refused, nothing is stored. A file needs one sync for all of them.", callSetMany},
		{"delete_many", []param{pKeys}, "int",
			"Removes the keys atomically; returns the number of keys that existed.", callDeleteMany},
		{"compare_and_set", []param{pKey, {name: "old"}, {name: "new"}, {name: "ttl", fallback: "None"}}, "bool",
			"Stores new only if the value equals old in type and content; returns whether it was stored. ttl=None keeps the remaining ttl, 0 means no expiry.", callCompareAndSet},
		{"compare_and_delete", []param{pKey, {name: "old"}}, "bool",
			"Removes the key only if its value equals old in type and content; returns whether it was removed.", callCompareAndDelete},
		{"delete_matching", []param{pPattern, pPrefix}, "int",
			`Removes the keys that match pattern and start with prefix, page by page, and returns their number. A pattern or a prefix is required. Keys that are set meanwhile can remain.
prefix is taken literally, so put text from outside there: delete_matching(prefix="user:" + name + ":"). In a pattern, a user named * would delete everyone's keys.`, callDeleteMatching},
		{"each", append([]param{pFn}, pListing...), "int",
			"Calls fn(key, value) for each key that matches, in key order, until fn returns False; returns the number of calls. It holds one page of keys in memory. The other arguments are those of keys.", callEach},
		{"wait", []param{pKey, pTimeout, pDefault}, "value",
			"Waits until the key exists and returns its value, or default after timeout seconds. timeout=None waits until the script's deadline.", callWait},
		{"wait_change", []param{pKey, {name: "old"}, pTimeout}, "value",
			"Waits until the value differs from old in type or content and returns it; the value of an absent key is None. Returns old after timeout seconds.", callWaitChange},
		{"watch", []param{pFn, pPattern, pTimeout, pPrefix}, "int",
			"Calls fn(key, value) for each key that changes, with value None if it was removed, until fn returns False or timeout seconds have passed. fn(None, None) means that any key can have changed. Returns the number of calls.", callWatch},
		{"sub", []param{{name: "prefix"}}, "store",
			"Returns a view: a store of the keys that start with prefix. Its calls take and return keys without the prefix. close has no effect on it.", callSub},
	}
	for i := range calls {
		callHelp = append(callHelp, calls[i].helpText())
	}
}

// param is a parameter of a call. fallback shows its default in the syntax of scripts; the
// function of the call applies it if the argument is nil.
type param struct {
	name     string
	fallback string // "": required
}

// call is a call of scripts: its name, parameters, result, help text and function.
type call struct {
	name    string
	params  []param
	returns string
	help    string
	run     func(ctx context.Context, h *Handle, a arguments) (object.Object, error)
}

func (c *call) helpText() string {
	return c.signature() + " -> " + c.returns + "\n" + c.help + "\nExample: " + examples[c.name]
}

// signature returns the call with its parameters, as a script would define it.
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
