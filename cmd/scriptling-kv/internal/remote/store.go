package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
)

func init() {
	for _, scheme := range schemes {
		extlibs.RegisterDriver(scheme, func(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
			if c.FromScript {
				return nil, fmt.Errorf("%w: a script cannot use the stores of other hosts", extlibs.ErrNotAllowed)
			}
			return open(ctx, original(c.URL), c.MaxValueBytes)
		})
	}
}

// store is a store of a running host.
type store struct {
	client
	maxValue int
	closed   context.Context // ends with Close
	close    context.CancelFunc
}

// getters is how many keys LoadMany asks for at once.
const getters = 8

func open(ctx context.Context, text string, maxValue int) (*store, error) {
	c, err := newClient(text)
	if err != nil {
		return nil, err
	}
	s := &store{client: c, maxValue: maxValue}
	s.closed, s.close = context.WithCancel(context.Background())
	if _, err := s.describe(ctx); err != nil {
		s.Close()
		switch {
		case errors.Is(err, errHostsURL):
			err = s.whichStores(ctx, s.base, invalid("the URL names no store; append the name of a store of the host"))
		case errors.Is(err, ErrNoStore):
			err = s.whichStores(ctx, s.base[:strings.LastIndex(s.base, "/")], ErrNoStore)
		}
		return nil, err
	}
	return s, nil
}

// counters are the counters of a store.
type counters struct {
	Keys     *int64 `json:"keys"`
	Expired  *int64 `json:"expired"`
	Bytes    *int64 `json:"bytes"`
	Commits  *int64 `json:"commits"`
	Buffered *int64 `json:"buffered"`
}

func known(n *int64) int64 {
	if n == nil || *n < 0 {
		return -1
	}
	return *n
}

func (s *store) describe(ctx context.Context) (c counters, err error) {
	return c, s.ask(ctx, http.MethodGet, "", nil, nil, maxAnswer, &c)
}

// whichStores returns the error of a URL that leads to no open store, with the names of the
// open stores of the host whose URL is base.
func (s *store) whichStores(ctx context.Context, base string, noStore error) error {
	stores, err := list(ctx, client{s.http, base, s.token})
	if err != nil {
		return noStore
	}
	var names []string
	for _, found := range stores {
		if names = append(names, fmt.Sprintf("%.128q", found.ID)); len(names) == 10 {
			break
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%w; it has none", noStore)
	}
	return fmt.Errorf("%w; it has %s", noStore, strings.Join(names, ", "))
}

// Info describes a store of a host.
type Info struct {
	ID   string // the last part of its URL
	Name string // of its handle
	Keys int64  // -1: unknown
}

// Stores returns the open stores of a host. The URL is the one at which it mounts
// kvadmin.
func Stores(ctx context.Context, text string) ([]Info, error) {
	c, err := newClient(text)
	if err != nil {
		return nil, err
	}
	defer c.http.CloseIdleConnections()
	return list(ctx, c)
}

func list(ctx context.Context, c client) ([]Info, error) {
	c.base += "/"
	var answer struct {
		Stores []struct {
			ID   *string `json:"id"`
			Name string  `json:"name"`
			counters
		} `json:"stores"`
	}
	if err := c.ask(ctx, http.MethodGet, "", nil, nil, maxAnswer, &answer); err != nil {
		return nil, err
	}
	if answer.Stores == nil {
		return nil, errStrange("the answer of the host has no list of stores")
	}
	stores := make([]Info, len(answer.Stores))
	for i, found := range answer.Stores {
		if found.ID == nil {
			return nil, errStrange("the answer of the host has a store without an id")
		}
		stores[i] = Info{*found.ID, found.Name, known(found.Keys)}
	}
	return stores, nil
}

// entryLimit limits the JSON of a value: escapes of JSON take six bytes for one.
func (s *store) entryLimit() int64 {
	const factor = 16
	return factor * max(int64(s.maxValue), 1<<20)
}

// Load implements extlibs.Store.
func (s *store) Load(ctx context.Context, key string, need extlibs.Need) (e extlibs.Entry, err error) {
	var answer struct {
		Key    *string         `json:"key"`
		TTL    *float64        `json:"ttl"`
		Value  json.RawMessage `json:"value"`
		Hidden bool            `json:"hidden"`
	}
	if err := s.ask(ctx, http.MethodGet, "key", url.Values{"key": {key}}, nil, s.entryLimit(), &answer); err != nil {
		return e, err
	}
	e.Key = key
	if answer.Key == nil || *answer.Key != key {
		return e, errStrange("the answer of the host is about another key")
	}
	if e.TTL, err = left(answer.TTL); err != nil || need&extlibs.NeedValue == 0 {
		return e, err
	}
	if answer.Hidden || answer.Value == nil {
		return e, fmt.Errorf("%w: the host hides values; set kvadmin.Options.Values in the host to show and export them", extlibs.ErrNotAllowed)
	}
	raw, err := jsonl.ParseValue(answer.Value)
	if err != nil {
		return e, errStrange("the answer of the host has no value of a store")
	}
	e.Value = extlibs.RawValue(raw)
	return e, nil
}

// left is the time that a key has left, 0 if it does not expire.
func left(seconds *float64) (time.Duration, error) {
	if seconds == nil {
		return 0, nil
	}
	if !(*seconds > 0 && *seconds <= 2*extlibs.MaxTTL.Seconds()) {
		return 0, errStrange("the answer of the host has a ttl that no key can have")
	}
	return jsonl.Storable(time.Duration(math.Ceil(*seconds * float64(time.Second)))), nil
}

// LoadMany implements extlibs.Store. Several requests run at a time.
func (s *store) LoadMany(ctx context.Context, keys []string, need extlibs.Need) ([]extlibs.Entry, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	entries := make([]extlibs.Entry, len(keys))
	found := make([]bool, len(keys))
	var group sync.WaitGroup
	free := make(chan struct{}, getters)
	for i, key := range keys {
		free <- struct{}{}
		group.Go(func() {
			defer func() { <-free }()
			e, err := s.Load(ctx, key, need)
			switch {
			case err == nil:
				entries[i], found[i] = e, true
			case !errors.Is(err, extlibs.ErrNotFound):
				cancel(err)
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	live := entries[:0]
	for i := range entries {
		if found[i] {
			live = append(live, entries[i])
		}
	}
	return live, nil
}

// errChanges is the error of what kvadmin cannot do.
var errChanges = fmt.Errorf("%w: a running host permits only set, del and expire; make the change in the host, or use a copy", errors.ErrUnsupported)

// Apply implements extlibs.Store for what kvadmin can do.
func (s *store) Apply(ctx context.Context, op extlibs.Op) (r extlibs.Result, err error) {
	if op.NeedOld || op.Must {
		return r, errChanges
	}
	switch op.Kind {
	case extlibs.OpSet:
		line, err := jsonl.Append(nil, jsonl.Entry{Key: op.Key, Value: op.Value.Raw(), TTL: op.TTL})
		if err != nil {
			return r, err
		}
		err = s.change(ctx, "set", line, &struct{}{})
		return extlibs.Result{Applied: err == nil, New: op.Value}, err
	case extlibs.OpExpire:
		var answer struct {
			Existed *bool `json:"existed"`
		}
		body, err := json.Marshal(map[string]any{"key": op.Key, "ttl": op.TTL.Seconds()})
		if err == nil {
			err = s.change(ctx, "expire", body, &answer)
		}
		if err == nil && answer.Existed == nil {
			err = fmt.Errorf("%w: %w", extlibs.ErrCommitUnknown, errStrange("the answer of the host does not say whether the key existed"))
		}
		if errors.Is(err, extlibs.ErrNotFound) {
			return r, nil
		}
		return extlibs.Result{Applied: err == nil && *answer.Existed}, err
	case extlibs.OpDelete:
		n, err := s.delete(ctx, []string{op.Key})
		return extlibs.Result{Applied: n > 0}, err
	}
	return r, errChanges
}

// ApplyMany implements extlibs.Store for batches that only delete.
func (s *store) ApplyMany(ctx context.Context, ops []extlibs.Op) ([]extlibs.Result, error) {
	keys := make([]string, len(ops))
	for i, op := range ops {
		if op.Kind != extlibs.OpDelete || op.NeedOld || op.Must {
			return nil, errChanges
		}
		keys[i] = op.Key
	}
	n, err := s.delete(ctx, keys)
	if err != nil {
		return nil, err
	}
	results := make([]extlibs.Result, len(ops))
	for i := range results[:n] { // which of them existed is not known, and their number is
		results[i].Applied = true
	}
	return results, nil
}

func (s *store) delete(ctx context.Context, keys []string) (int, error) {
	var answer struct {
		Deleted *int `json:"deleted"`
	}
	body, err := json.Marshal(map[string]any{"keys": keys})
	if err == nil {
		err = s.change(ctx, "delete", body, &answer)
	}
	if err == nil && (answer.Deleted == nil || *answer.Deleted < 0 || *answer.Deleted > len(keys)) {
		err = fmt.Errorf("%w: %w", extlibs.ErrCommitUnknown, errStrange("the answer of the host does not say how many keys it removed"))
	}
	if err != nil {
		return 0, err
	}
	return *answer.Deleted, nil
}

func (s *store) change(ctx context.Context, path string, body []byte, answer any) error {
	return s.ask(ctx, http.MethodPost, path, nil, body, maxAnswer, answer)
}

// Len implements extlibs.Store.
func (s *store) Len(ctx context.Context) (int, error) {
	var answer struct {
		Count *int `json:"count"`
	}
	err := s.ask(ctx, http.MethodGet, "count", nil, nil, maxAnswer, &answer)
	if err == nil && (answer.Count == nil || *answer.Count < 0) {
		err = errStrange("the answer of the host has no count")
	}
	if err != nil {
		return 0, err
	}
	return *answer.Count, nil
}

// Clear implements extlibs.Store.
func (s *store) Clear(context.Context) error { return errChanges }

// Close implements extlibs.Store.
func (s *store) Close() error {
	s.close()
	s.http.CloseIdleConnections()
	return nil
}

// Stats implements extlibs.StatsReporter.
func (s *store) Stats(ctx context.Context) (st extlibs.Stats, err error) {
	c, err := s.describe(ctx)
	st.Expired, st.Bytes, st.Commits, st.Buffered = known(c.Expired), known(c.Bytes), known(c.Commits), known(c.Buffered)
	return st, err
}

// backupSlack is how many bytes a backup can have beyond twice the size of the store's
// file, so that a host cannot fill the disk.
const backupSlack = 64 << 20

// Backup implements extlibs.Backuper: the host sends its file.
func (s *store) Backup(ctx context.Context, w io.Writer) error {
	c, err := s.describe(ctx)
	if err != nil {
		return err
	}
	answer, err := s.send(ctx, http.MethodGet, "backup", nil, nil, "application/octet-stream")
	if err != nil {
		return err
	}
	defer answer.Close()
	limit := 2*min(max(known(c.Bytes), 0), 1<<60) + backupSlack
	n, err := io.Copy(w, io.LimitReader(answer, limit+1))
	switch {
	case err != nil:
		return err
	case n > limit:
		return errTooLong
	case n == 0:
		return errStrange("the backup is empty")
	}
	return nil
}
