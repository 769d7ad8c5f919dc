// Package redisstore keeps stores on a Redis or Valkey server, so that several
// hosts share them. A host imports it and changes one string:
//
//	import _ "github.com/scriptling-kv/extlibs/redisstore"
//
//	extlibs.InitKVStore("redis://host:6379/0/tenantA")
//
// The schemes are redis and valkey, rediss and valkeys for TLS, redis+unix for a
// socket (redis+unix:///run/redis.sock?name=tenantA). The path is the number of
// the database and the name of the store; without a name it is "kv". A host that
// allows scripts "redis://host:6379/0/tenantA" confines them to that tenant.
//
// The host's URL may carry credentials and, in its query, ca, cert, key, sentinel, seeds,
// client, timeout and callkeys; or [Configure] gives them. A script's URL may not: it gets
// what was configured for that server, else what the host's own open stores of it use.
//
// # What is on the server
//
// A store NAME is four keys in one hash slot, so that a cluster takes it too:
//
//	{NAME}:v   hash: key -> payload
//	{NAME}:i   sorted set of the keys, score 0: the order of bytes
//	{NAME}:d   sorted set of deadlines in microseconds since 1970, mortal keys only
//	{NAME}:m   hash: "epoch", "format"
//
// A payload is an int as decimal text, a float as # and decimal text, and
// everything else the value's CBOR; one whose first byte could be taken for
// another kind has a " in front. A mortal key's payload has !DEADLINE! in front
// of that. The server's clock decides what has expired.
//
// # Promises
//
// Every call of the Store is one script, or one command, on the server, so it is
// atomic.
// How durable it is, is the server's configuration: see
// docs/choosing-a-backend.md. An error that is [extlibs.ErrUnavailable] is
// certainly not done; one that is [extlibs.ErrCommitUnknown] may be stored or may
// yet be. Nothing is sent twice.
//
// # Where to find what
//
//	url.go, settings.go      what a URL and a host's Options say
//	driver.go, store.go      opening, running scripts, closing
//	read.go, write.go        the calls of a Store
//	scripts.go, payload.go   what is done and kept on the server
//	sweep.go                 removing expired keys
//	server.go, route.go      the client of a server: nodes, redirects, limits
//	sentinel.go              finding the primary
//	failure.go               the kinds of errors
//	internal/wire            connections
package redisstore
