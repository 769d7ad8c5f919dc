package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs"
)

func init() {
	for _, scheme := range []string{"redis", "rediss", "valkey", "valkeys", "redis+unix"} {
		extlibs.RegisterDriver(scheme, open)
	}
}

const (
	defaultPort = "6379"
	defaultName = "kv"

	maxNameBytes = 1024
)

func open(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
	t, err := parse(c.URL, c.FromScript)
	if err != nil {
		return nil, err
	}
	t.reply.Store(replyBytes(c))
	s, err := acquire(ctx, t)
	if err != nil {
		return nil, err
	}
	st := newStore(s, t.store, c)
	if err := st.open(ctx); err != nil {
		st.Close()
		return nil, err
	}
	st.warnOfEviction(ctx)
	return st, nil
}

// replyBytes is the most that a store needs in one reply: all that a call on many
// keys may hold, a value before and after a change, a page of the longest keys.
func replyBytes(c extlibs.OpenConfig) int64 {
	const noLimit = 1 << 40
	return 3*min(int64(c.MaxOperationBytes), noLimit) + 4*min(int64(c.MaxValueBytes), noLimit) + 2*pageKeys*extlibs.MaxKeyBytes
}

// target is what a URL names.
type target struct {
	name     string // of the server, for people
	identity identity
	store    string
	script   bool          // a script gave the URL
	reply    *atomic.Int64 // most bytes of one reply
	options  rueidis.ClientOption
}

// identity is a server, a database on it and who asks it. It stays in the process.
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

func (t *target) unavailable(err error) error {
	s := &server{name: t.name}
	if r, ok := rueidis.IsRedisErr(err); ok {
		return s.refusal(r.Error())
	}
	return fmt.Errorf("%w: server %s: %w", extlibs.ErrUnavailable, t.name, err)
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
	if u.Scheme == "redis+unix" {
		at.address = u.Path
		t.name = "unix:" + u.Path
		path = strings.Trim(query.Get("db")+"/"+query.Get("name"), "/")
		query.Del("db")
		query.Del("name")
	} else {
		if u.Hostname() == "" {
			return t, invalid("the URL names no server; it is %s://host:6379/0/NAME", u.Scheme)
		}
		at.address = address(u.Hostname(), u.Port())
		t.name = at.address
	}
	db := 0
	first, rest, _ := strings.Cut(path, "/")
	if n, err := strconv.Atoi(first); err == nil && n >= 0 {
		db, path = n, rest
	}
	t.store = path
	if t.store == "" {
		t.store = defaultName
	}
	if len(t.store) > maxNameBytes || strings.ContainsAny(t.store, "{}\x00") {
		return t, invalid("the name of the store, behind the number of the database, has at most %d bytes and no braces", maxNameBytes)
	}
	var set settings
	if script {
		if u.User != nil || len(query) > 0 {
			return t, notAllowed("a script gives no credentials and no settings; leave them out, and let the host configure them")
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
	t.reply = new(atomic.Int64)
	t.options, err = t.identity.options(t.reply)
	return t, err
}

func address(host, port string) string {
	if port == "" {
		port = defaultPort
	}
	return net.JoinHostPort(strings.ToLower(host), port)
}

// options is what the client is told.
func (id *identity) options(reply *atomic.Int64) (rueidis.ClientOption, error) {
	o := rueidis.ClientOption{
		DisableRetry:      true, // a request whose answer was lost is not sent again
		PipelineMultiplex: -1,   // one connection keeps requests in their order
		DisableCache:      true,
		DialCtxFn:         dialer(reply, id.sentinel != ""),
		Dialer:            net.Dialer{Timeout: dialTimeout},
		InitAddress:       []string{id.address},
		SelectDB:          id.db,
		Username:          id.username,
		Password:          id.password,
	}
	if id.tls {
		host, _, _ := net.SplitHostPort(id.address)
		o.TLSConfig = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	if id.ca != "" {
		pem, err := os.ReadFile(id.ca)
		if err != nil {
			return o, invalid("the file of ca cannot be read")
		}
		pool := x509.NewCertPool()
		if o.TLSConfig == nil || !pool.AppendCertsFromPEM(pem) {
			return o, invalid("ca is the path of a PEM file with certificates, for rediss and valkeys")
		}
		o.TLSConfig.RootCAs = pool
	}
	if id.timeout > 0 {
		o.Dialer.Timeout, o.ConnWriteTimeout = id.timeout, id.timeout
	}
	if id.sentinel != "" {
		o.Sentinel = rueidis.SentinelOption{MasterSet: id.sentinel, TLSConfig: o.TLSConfig, Dialer: o.Dialer}
	}
	return o, nil
}

// warnOfEviction tells the host of a server that drops keys when it is full: it
// drops whole stores. Where the server does not tell, there is no warning.
func (s *store) warnOfEviction(ctx context.Context) {
	m, err := s.server.do(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().ConfigGet().Parameter("maxmemory-policy").Build())
	})
	if err != nil {
		return
	}
	if settings, err := m.AsStrMap(); err == nil && strings.HasPrefix(settings["maxmemory-policy"], "allkeys-") {
		s.logger.Warn("kv: the server evicts keys when its memory is full, and a store is four keys: whole stores may go; set maxmemory-policy to noeviction or volatile-*",
			"server", s.server.name, "policy", settings["maxmemory-policy"])
	}
}
