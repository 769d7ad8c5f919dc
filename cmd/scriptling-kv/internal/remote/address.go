// Package remote is a driver for the stores of a running host that mounts kvadmin: for
// the schemes http, https and unix.
//
//	address.go   what a URL names
//	client.go    requests, answers and their limits
//	store.go     the calls of a store
//	page.go      pages of keys and of entries
//	watch.go     changes
//
// What a host sends is not trusted: an answer has a limit and must be what was asked for,
// no redirect is followed, and the token goes to the host of the URL only.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// TokenVariable is the environment variable of the password that kvadmin.Password checks.
const TokenVariable = "SCRIPTLING_KV_TOKEN"

// DefaultPath is the path of a store on a socket whose URL has none.
const DefaultPath = "/debug/kv/default"

var schemes = []string{"http", "https", "unix"}

// Is reports whether a store's name is a URL of this driver.
func Is(name string) bool {
	scheme, _, _ := strings.Cut(name, "://")
	return slices.ContainsFunc(schemes, func(s string) bool { return strings.EqualFold(s, scheme) })
}

// address is what a URL names.
type address struct {
	base   string // URL of the store without a slash at its end
	socket string // path of a socket, "" for TCP
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{extlibs.ErrInvalid}, args...)...)
}

// parse reads the URL of a store. No error quotes it: it can have a password that does
// not belong there.
func parse(text string) (a address, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return a, invalid("the URL is malformed; check its characters")
	}
	if u.User != nil {
		return a, invalid("the URL has a user or a password, which other users of this machine can see; leave it out, and set %s", TokenVariable)
	}
	if u.Fragment != "" {
		return a, invalid("the URL has a fragment; remove it, or write # as %%23")
	}
	query := u.Query()
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.Path == "" {
			return a, invalid("the URL of a socket must be unix:///run/app.sock or unix:///run/app.sock?path=%s", DefaultPath)
		}
		a.socket = u.Path
		path := DefaultPath
		if query.Has("path") {
			path = query.Get("path")
			query.Del("path")
		}
		p, err := url.Parse(path)
		if err != nil || !strings.HasPrefix(path, "/") || p.Host != "" || p.RawQuery != "" || p.Fragment != "" {
			return a, invalid("the path on the socket must begin with a slash, as in path=%s", DefaultPath)
		}
		a.base = "http://unix" + p.EscapedPath()
	default:
		if u.Hostname() == "" {
			return a, invalid("the URL names no host; write %s://host:8080%s", u.Scheme, DefaultPath)
		}
		a.base = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
	}
	if len(query) > 0 {
		return a, invalid("the URL has a query; remove it")
	}
	a.base = strings.TrimRight(a.base, "/")
	return a, nil
}

// Limits of the time that a host takes.
const (
	dialTime   = 10 * time.Second
	answerTime = 75 * time.Second // until an answer begins: a count of all keys can take a minute
)

// httpClient returns a client for one address. It follows no redirect, and uses a proxy
// for https only, where the proxy cannot read the token.
func (a address) httpClient() *http.Client {
	dialer := &net.Dialer{Timeout: dialTime}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		Proxy:                  http.ProxyFromEnvironment,
		TLSHandshakeTimeout:    dialTime,
		ResponseHeaderTimeout:  answerTime,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    getters,
		DisableCompression:     true, // the limits are those of what is decoded
	}
	if !strings.HasPrefix(a.base, "https:") {
		t.Proxy = nil
	}
	if a.socket != "" {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", a.socket)
		}
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// token returns the token of the environment.
func token() (string, error) {
	t := strings.TrimSpace(os.Getenv(TokenVariable))
	for _, r := range t {
		if r < ' ' || r > '~' {
			return "", invalid("%s contains a character that a token cannot have; check it", TokenVariable)
		}
	}
	return t, nil
}

// notSent reports whether a request certainly did not reach the host.
func notSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
