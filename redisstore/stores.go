package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

// StoreInfo describes a store on a server.
type StoreInfo struct {
	Name string // the last part of its URL
	Keys int64  // keys that have not expired
}

// scanCount is how many keys of the server one step of Stores visits.
const scanCount = "1000"

// Stores returns the stores in the database that a URL names, sorted by name; it ignores the
// name of a store in the URL. On a cluster it asks every primary. It visits all keys of the
// database in steps, and does not create stores. As a URL of the host, rawURL can have
// credentials and settings.
func Stores(ctx context.Context, rawURL string) ([]StoreInfo, error) {
	t, err := parseText(rawURL)
	if err != nil {
		return nil, err
	}
	s := acquire(t)
	defer s.release()
	nodes, err := s.primaries(ctx)
	if err != nil {
		return nil, failure(reads, err)
	}
	names := map[string]bool{}
	for _, address := range nodes {
		if err := s.scanStores(ctx, address, names); err != nil {
			return nil, failure(reads, err)
		}
	}
	stores := make([]StoreInfo, 0, len(names))
	for name := range names {
		t.store = name
		n, err := newStore(s, t, withoutLimits()).Len(ctx)
		if err != nil {
			return nil, err
		}
		stores = append(stores, StoreInfo{name, int64(n)})
	}
	slices.SortFunc(stores, func(a, b StoreInfo) int { return strings.Compare(a.Name, b.Name) })
	return stores, nil
}

// Exists reports whether the store of a URL exists: a host has opened it, and it has not been
// deleted on the server since. Opening a store creates it; Exists does not. As a URL of the
// host, rawURL can have credentials and settings.
func Exists(ctx context.Context, rawURL string) (bool, error) {
	t, err := parseText(rawURL)
	if err != nil {
		return false, err
	}
	s := acquire(t)
	defer s.release()
	st := newStore(s, t, withoutLimits())
	r, err := st.do(ctx, reads, wire.Request{Command: []string{"EXISTS", st.keys[3]}})
	if err != nil {
		return false, err
	}
	if n, ok := r.Number(); ok {
		return n > 0, nil
	}
	return false, damaged()
}

// withoutLimits configures a store that is not opened.
func withoutLimits() extlibs.OpenConfig {
	return extlibs.OpenConfig{
		MaxValueBytes: extlibs.DefaultMaxValueBytes, MaxOperationBytes: math.MaxInt32,
		SweepInterval: time.Minute, Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
	}
}

// parseText parses the URL of a host. No error quotes it.
func parseText(text string) (t target, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return t, invalid("the URL is malformed; check its characters, and write special characters of a password as %%XX")
	}
	if !slices.Contains(schemes, strings.ToLower(u.Scheme)) {
		return t, invalid("the scheme %.40q is unknown; use one of %s", u.Scheme, strings.Join(schemes, ", "))
	}
	if t, err = parse(u, false); err == nil {
		t.reply = replyBytes(withoutLimits())
	}
	return t, err
}

// primaries returns the addresses of the nodes that have keys.
func (s *server) primaries(ctx context.Context) ([]string, error) {
	c, err := s.connect(ctx, 0, false)
	if err != nil {
		return nil, err
	}
	if c.Mode != "cluster" {
		return []string{c.Address()}, nil
	}
	r, err := c.Do(ctx, wire.Request{Command: []string{"CLUSTER", "SLOTS"}})
	switch {
	case err != nil:
		return nil, err
	case r.Kind == wire.Error: // an imitation that calls itself a cluster
		return []string{c.Address()}, nil
	}
	for i := range r.List { // the primary of a range of slots comes first
		r.List[i].List = r.List[i].List[:min(3, len(r.List[i].List))]
	}
	addresses := clusterNodes(&r.Reply, c.Address())
	slices.Sort(addresses)
	if addresses = slices.Compact(addresses); len(addresses) > maxNodes {
		return nil, &unreachable{errors.New("it named more nodes than a cluster can have")}
	}
	return addresses, nil
}

// scanStores adds the names of the stores on a node.
func (s *server) scanStores(ctx context.Context, address string, names map[string]bool) error {
	for cursor := "0"; ; {
		c, err := s.node(ctx, address, false)
		if err != nil {
			return err
		}
		r, err := c.Do(ctx, wire.Request{Command: []string{"SCAN", cursor, "MATCH", "{*}:m", "COUNT", scanCount, "TYPE", "hash"}})
		switch {
		case err != nil:
			return err
		case r.Kind == wire.Error:
			return refusal(r.Text)
		case len(r.List) != 2:
			return damaged()
		}
		for _, key := range r.List[1].List {
			name, isStore := strings.CutPrefix(strings.TrimSuffix(key.Text, "}:m"), "{")
			if isStore && name != "" && !strings.ContainsAny(name, "{}") {
				names[name] = true
			}
		}
		if cursor = r.List[0].Text; cursor == "0" {
			return nil
		}
	}
}
