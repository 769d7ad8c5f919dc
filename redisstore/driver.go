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
	"time"

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
	t, err := parse(c.URL)
	if err != nil {
		return nil, err
	}
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

// target is what a URL names.
type target struct {
	name     string // of the server, for people
	identity string // of the server and who asks it; it stays in the process
	store    string
	options  rueidis.ClientOption
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

// parse reads a URL. What it does not know it refuses, so that a setting that
// was meant to protect something is never left out in silence.
func parse(u *url.URL) (t target, err error) {
	o := rueidis.ClientOption{
		DisableRetry:      true, // a request whose answer was lost is not sent again
		PipelineMultiplex: -1,   // one connection keeps requests in their order
		DisableCache:      true,
		DialCtxFn:         dial,
		Dialer:            net.Dialer{Timeout: dialTimeout},
	}
	path := strings.Trim(u.Path, "/")
	if u.Scheme == "redis+unix" {
		o.InitAddress = []string{u.Path}
		t.name = "unix:" + u.Path
		path = u.Query().Get("db") + "/" + u.Query().Get("name")
		path = strings.Trim(path, "/")
	} else {
		if u.Hostname() == "" {
			return t, invalid("the URL names no server; it is %s://host:6379/0/NAME", u.Scheme)
		}
		port := u.Port()
		if port == "" {
			port = defaultPort
		}
		t.name = net.JoinHostPort(strings.ToLower(u.Hostname()), port)
		o.InitAddress = []string{t.name}
	}
	if u.Scheme == "rediss" || u.Scheme == "valkeys" {
		o.TLSConfig = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	}
	first, rest, _ := strings.Cut(path, "/")
	if n, err := strconv.Atoi(first); err == nil && n >= 0 {
		o.SelectDB, path = n, rest
	}
	t.store = path
	if t.store == "" {
		t.store = defaultName
	}
	if len(t.store) > maxNameBytes || strings.ContainsAny(t.store, "{}\x00") {
		return t, invalid("the name of the store, behind the number of the database, has at most %d bytes and no braces", maxNameBytes)
	}
	if u.User != nil {
		o.Username = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	for key, values := range u.Query() {
		if err := setting(&o, key, values[0]); err != nil {
			return t, err
		}
	}
	t.options = o
	t.identity = strings.Join([]string{u.Scheme, t.name, strconv.Itoa(o.SelectDB), o.Username, o.Password, u.RawQuery}, "\x00")
	return t, nil
}

// setting takes one part of a URL's query.
func setting(o *rueidis.ClientOption, key, value string) error {
	switch key {
	case "ca":
		pem, err := os.ReadFile(value)
		if err != nil {
			return invalid("the file of ca cannot be read")
		}
		pool := x509.NewCertPool()
		if o.TLSConfig == nil || !pool.AppendCertsFromPEM(pem) {
			return invalid("ca is the path of a PEM file with certificates, for rediss and valkeys")
		}
		o.TLSConfig.RootCAs = pool
	case "sentinel":
		o.Sentinel = rueidis.SentinelOption{MasterSet: value, TLSConfig: o.TLSConfig, Dialer: o.Dialer}
	case "timeout":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return invalid("timeout is a time such as 5s")
		}
		o.Dialer.Timeout, o.ConnWriteTimeout = d, d
	case "db", "name":
	default:
		return invalid("the URL's setting %.40q is not known; there are ca, sentinel and timeout", key)
	}
	return nil
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
