// Package redisstore is a driver that keeps stores on a Redis or Valkey server, so
// that several hosts share them. A host imports it and changes one string:
//
//	import _ "github.com/scriptling-kv/extlibs/redisstore"
//
//	extlibs.InitKVStore("redis://host:6379/0/tenantA")
//
// The schemes are redis and valkey, rediss and valkeys for TLS, and redis+unix for a
// socket (redis+unix:///run/redis.sock?name=tenantA). The path is the database number,
// then the name of the store; the default name is "kv". A host that allows scripts
// "redis://host:6379/0/tenantA" confines them to that tenant.
//
// The host's URL may contain credentials and the query parameters ca, cert, key,
// sentinel, sentineluser, sentinelpassword, seeds, client, timeout and callkeys; or the
// host sets them with [Configure]. A script's URL must not contain them: it uses what
// was configured for that server, or else the settings of the host's own open stores
// on it.
//
// # Layout on the server
//
// A store NAME consists of four keys in one hash slot, so it works on a cluster:
//
//	{NAME}:v   hash: key -> payload
//	{NAME}:i   sorted set of the keys, all with score 0, so sorted by bytes
//	{NAME}:d   sorted set of the keys that have a deadline, in microseconds since 1970
//	{NAME}:m   hash: "epoch", "format"
//
// The first three always contain the empty key, which no store has, because a script
// works during a slot migration only if all of its keys exist.
//
// A payload is an int as decimal text, a float as # and decimal text, or the CBOR of
// any other value; if the first byte of the CBOR could be mistaken for another kind,
// a " precedes it. If the key has a deadline, !DEADLINE! precedes the payload. An & precedes
// a payload of more than 64 KiB, whose deadline is only in {NAME}:d. The server's clock
// decides which keys have expired.
//
// # Channels
//
// A script that changes a key publishes it to the sharded channel {NAME}:v, or {NAME}:i if
// it removed the key, in the same moment; an empty message means that any key can have
// changed. In a database N other than 0 the names end with :N. While calls wait for changes
// of a store, one more connection listens to its channels. A user of the server needs the
// channel pattern &{NAME}:*.
//
// # Guarantees
//
// Every call of the Store is one script or one command on the server, so it is
// atomic. Its durability depends on the server's configuration; see
// docs/choosing-a-backend.md. A call that fails with [extlibs.ErrUnavailable] had no
// effect. After [extlibs.ErrCommitUnknown] the outcome is unknown: the write may have
// been stored, or may still be stored later, or never. The driver sends nothing twice.
//
// # Files
//
//	url.go, settings.go      settings from a URL and from a host's Options
//	driver.go, store.go      opening, running scripts, closing
//	stores.go                the stores on a server
//	read.go, write.go, batch.go
//	                         the calls of a Store
//	scripts.go, scripts_batch.go, scripts_store.go
//	                         the scripts that run on the server
//	payload.go, seen.go      the format of values, and guesses how to read them
//	sweep.go                 the sweeper
//	watch.go                 reporting changes, for calls that wait
//	server.go, route.go      the client of a server: nodes, redirects, limits
//	sentinel.go              finding the primary
//	failure.go               errors
//	internal/wire            connections
package redisstore
