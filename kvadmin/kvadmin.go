// Package kvadmin shows the stores of a running host, to people as pages and to programs
// as JSON. A host mounts the handler under any prefix:
//
//	mux.Handle("/debug/kv/", kvadmin.Handler(registry, kvadmin.Options{
//		Allow: kvadmin.Password(os.Getenv("KV_PASSWORD")),
//	}))
//
// Nothing is shown unless Options.Allow permits it. Values are hidden and stores are
// read-only unless Options.Values and Options.Write are set. The handler shows the stores
// that the registry has open, and opens none. README.md documents the paths and the JSON.
//
// # Files
//
//	kvadmin.go            options, actions, passwords
//	serve.go, failure.go  a request's path, headers and checks; errors as statuses
//	stores.go, history.go the open stores; their counters, sampled while a page shows them
//	selection.go          reading keys, without the hidden ones
//	keys.go, top.go       lists, counts, the biggest keys and prefixes
//	value.go              one value
//	stream.go             exports and backups
//	change*.go            changes of keys, by programs and by forms
//	watch*.go             live changes
//	page*.go, tree.go,    what pages show; pages/ has their templates, style and script
//	chart.go, text.go
package kvadmin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/scriptling-kv/extlibs"
)

// Options configure a Handler. The zero Options refuse every request.
type Options struct {
	// Allow permits a request by returning nil. It is called for every request, and for
	// each store in a list. An error is the text of the refusal, so it must not contain
	// what the caller may not know. A nil Allow refuses everything. Password makes an Allow
	// for one password. Allow can be called concurrently.
	Allow func(*http.Request, Action) error

	// Write permits changes: set, expire and delete.
	Write bool

	// Values shows values, and permits exports.
	Values bool

	// Backup permits downloads of a store's file, with all of its values.
	Backup bool

	// Hide reports whether a key is not shown, counted, watched, exported or changed. With a
	// Hide there are no backups, and the number of keys of a store is shown only after a scan.
	// It is called for every key that is read, concurrently, and must be fast. store is the
	// name in Action.
	Hide func(store, key string) bool

	// Name returns the name that pages and answers show for a store; its argument is the name
	// in Action. It must return different names for different stores. A nil Name changes no
	// name.
	Name func(store string) string

	// Logger gets an Info line for each change, backup and export, with the user that Allow
	// named with SetUser. A nil Logger is slog.Default().
	Logger *slog.Logger
}

// Kind is what a request wants to do.
type Kind string

// The kinds of actions.
const (
	Stores  Kind = "stores"  // list the stores; Allow decides about each store with Stat
	Stat    Kind = "stat"    // read the counters of a store
	Keys    Kind = "keys"    // list or count keys, or find the biggest
	Get     Kind = "get"     // read a key: its type, size and remaining ttl, and its value if Options.Values
	Watch   Kind = "watch"   // follow changes
	Export  Kind = "export"  // download all keys with their values
	Backup  Kind = "backup"  // download the file of a store
	Set     Kind = "set"     // store a value
	Expire  Kind = "expire"  // change the remaining time of a key
	Delete  Kind = "delete"  // remove one or several keys
	DelMany Kind = "delmany" // remove all keys with a prefix or pattern
)

// Writes reports whether an action changes the store.
func (k Kind) Writes() bool {
	return k == Set || k == Expire || k == Delete || k == DelMany
}

// Action is what a request wants to do, for Options.Allow. Store is the store's name, as
// Handle.Name returns it; if there is no such open store, it is the name of the request.
// Key is the key of an action on one key; Allow is called for each key of a Delete.
type Action struct {
	Kind  Kind
	Store string
	Key   string
}

// Handler returns a handler that shows the stores that the registry has open. It is safe for
// concurrent use. It runs one scan at a time: a second one waits up to three seconds, and is
// then refused.
func Handler(registry *extlibs.Registry, o Options) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Name == nil {
		o.Name = func(store string) string { return store }
	}
	return &handler{registry: registry, opts: o, scans: make(chan struct{}, 1), origin: http.NewCrossOriginProtection(), history: &history{registry: registry}}
}

type userKey struct{}

// SetUser names the user of a request, for the log. An Allow calls it, or a handler before
// this one.
func SetUser(r *http.Request, user string) {
	*r = *r.WithContext(context.WithValue(r.Context(), userKey{}, user))
}

func userOf(r *http.Request) string {
	user, _ := r.Context().Value(userKey{}).(string)
	return user
}

// ErrUnauthenticated is the error that an Allow returns for a caller that has to log in. The
// status is 401, and browsers ask for a password.
var ErrUnauthenticated = errors.New("a password is needed: log in with any user name, or send it as Authorization: Bearer PASSWORD")

// Password returns an Allow for callers that know a password: as the password of HTTP basic
// authentication, with any user name, which is then the user, or as a bearer token. An empty
// password refuses every request. Serve such a handler over TLS, or on loopback.
func Password(password string) func(*http.Request, Action) error {
	want := sha256.Sum256([]byte(password))
	return func(r *http.Request, _ Action) error {
		if password == "" {
			return errNoPassword
		}
		user, given, ok := r.BasicAuth()
		if !ok {
			if scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " "); found && strings.EqualFold(scheme, "bearer") {
				user, given, ok = "token", token, true
			}
		}
		got := sha256.Sum256([]byte(given))
		if !ok || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			return ErrUnauthenticated
		}
		SetUser(r, user)
		return nil
	}
}
