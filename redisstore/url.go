package redisstore

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"crypto/tls"

	"github.com/scriptling-kv/extlibs"
)

const (
	defaultPort = "6379"
	defaultName = "kv"

	maxNameBytes = 1024
	maxDB        = 1 << 20
)

// target is what a URL names.
type target struct {
	name     string // of the server, for the host's log
	identity identity
	store    string
	script   bool  // a script gave the URL
	reply    int64 // most bytes of one reply
	tls      *tls.Config
}

// identity is a server, a database on it and its user. It stays in the process.
type identity struct {
	place
	db int
	settings
}

// place is where a server is, and how it is reached.
type place struct {
	address string // host:port, or the path of a socket
	tls     bool
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{extlibs.ErrInvalid}, args...)...)
}

func notAllowed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{extlibs.ErrNotAllowed}, args...)...)
}

// parse reads a URL. What it does not know it refuses, so that a setting that
// was meant to protect something is never left out in silence.
func parse(u *url.URL, script bool) (t target, err error) {
	t.script = script
	at := place{tls: u.Scheme == "rediss" || u.Scheme == "valkeys"}
	path := strings.Trim(u.Path, "/")
	query := u.Query()
	if u.Fragment != "" {
		return t, invalid("the URL has a fragment; remove it, or write # as %%23")
	}
	if u.Scheme == "redis+unix" {
		at.address = u.Path
		t.name = "unix:" + u.Path
		path = strings.Trim(query.Get("db")+"/"+query.Get("name"), "/")
		query.Del("db")
		query.Del("name")
	} else {
		if u.Hostname() == "" {
			return t, invalid("the URL names no server; write %s://host:6379/0/NAME", u.Scheme)
		}
		at.address = address(u.Hostname(), u.Port())
		t.name = at.address
	}
	var db int
	if db, t.store, err = databaseAndName(path); err != nil {
		return t, err
	}
	var set settings
	if script {
		if u.User != nil {
			return t, notAllowed("a script's URL cannot contain credentials; remove them, and configure them in the host")
		}
		if len(query) > 0 {
			return t, invalid("a script's URL cannot contain settings; remove the query, and configure them in the host")
		}
		if set, err = settingsForScripts(at); err != nil {
			return t, err
		}
	} else {
		set = configured(at.address)
		if u.User != nil {
			set.username = u.User.Username()
			set.password, _ = u.User.Password()
		}
		for key, values := range query {
			if err := set.take(key, values[0]); err != nil {
				return t, err
			}
		}
	}
	t.identity = identity{at, db, set}
	if at.tls || set.ca != "" || set.cert != "" {
		t.tls, err = t.identity.tlsConfig()
	}
	return t, err
}

// databaseAndName splits the path of a URL: the number of the database, and the name of
// the store. Without a number the database is 0.
func databaseAndName(path string) (db int, name string, err error) {
	first, rest, _ := strings.Cut(path, "/")
	if first != "" && strings.Trim(strings.TrimLeft(first, "+-"), "0123456789") == "" && strings.ContainsAny(first, "0123456789") {
		if db, err = strconv.Atoi(first); err != nil || db < 0 || db > maxDB || strconv.Itoa(db) != first {
			return 0, "", invalid("%.40q is not a database number; write 0, or another number that the server has", first)
		}
		path = rest
	}
	if path == "" {
		path = defaultName
	}
	if len(path) > maxNameBytes || strings.ContainsAny(path, "{}\x00") {
		return 0, "", invalid("the store name, after the database number, can have at most %d bytes and no braces", maxNameBytes)
	}
	return db, path, nil
}

func address(host, port string) string {
	if port == "" {
		port = defaultPort
	}
	return net.JoinHostPort(strings.ToLower(host), port)
}
