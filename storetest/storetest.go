// Package storetest tests implementations of extlibs.Store, as testing/fstest tests
// file systems. The tests of a driver call Run:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Config{
//			Open: func(t *testing.T) extlibs.Store {
//				s := mydriver.New(...)
//				t.Cleanup(func() { s.Close() })
//				return s
//			},
//		})
//	}
//
// A store must meet these requirements; the subtests are named after them:
//
//   - Op.Next defines the operations. A store calls it with the live value of the
//     key, in the critical section in which it stores the outcome. Results, numbers
//     and errors then follow from Op.Next.
//   - OutcomePut stores with the ttl of the operation, and a ttl of 0 removes the old
//     deadline. OutcomePutKeepTTL keeps the remaining ttl; if there was no live value
//     it is the same as OutcomePut.
//   - A key is absent from its deadline on, for Load, LoadMany, Scan, Len, and the
//     condition of every operation, whether or not the sweeper has removed it.
//   - Each call is atomic and linearizable. A batch takes effect completely or, if it
//     fails, not at all, and no caller ever sees a part of it. Each operation sees the
//     effects of the earlier ones, even on the same key.
//   - If an operation with Op.Must does not apply, its call does nothing and returns
//     ErrConflict, which Op.Next does as well.
//   - LoadMany and each page of Scan are consistent views: they show the store at one
//     moment.
//   - Scan returns keys in the order of their bytes, or in the opposite order. Pages make
//     progress, stay within Limit, and together are complete.
//   - A store that is an extlibs.FirstPopper removes the first live key of a range
//     atomically: no other key of the range came before it at that moment.
//   - Clear removes all keys atomically and changes Page.Epoch.
//   - Keys are 1 to 32,768 bytes of any UTF-8, NUL included; values are any bytes.
//   - A cancelled context ends a call with an error or lets it complete. It never
//     leaves a part of it done. After ErrCommitUnknown the call may have taken effect,
//     or may take effect within the next two seconds.
//   - After Close, every call except Close fails with ErrClosed.
//   - A store that is an extlibs.Watcher reports each change after reads see it, and
//     misses none.
//
// The subtests pass only valid keys, values and ttls: a Handle checks them before it
// calls a store.
package storetest

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// Config says how Run gets the stores that it tests.
type Config struct {
	// Open returns an empty store that is not used elsewhere, and closes it when t ends; a
	// subtest can close it earlier. The store must be the backend itself: the result of
	// Handle.Store checks arguments and matches patterns, which would hide mistakes of the
	// backend.
	Open func(t *testing.T) extlibs.Store

	// Advance moves the clock of the stores that Open returned. If it is nil, the tests wait
	// in real time for short ttls, and omit tests that would take too long.
	Advance func(d time.Duration)
}

// Run tests a store, in subtests that are named after the requirements.
func Run(t *testing.T, c Config) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"operations", operationTests},
		{"expiry", expiryTests},
		{"batches", batchTests},
		{"conditions", conditionTests},
		{"scans", scanTests},
		{"first keys", popTests},
		{"keys and values", keyTests},
		{"clearing and closing", lifeTests},
		{"concurrent calls", concurrentTests},
		{"one moment", momentTests},
		{"cancelled calls", cancelTests},
		{"watches", watchTests},
		{"random calls", randomTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, tt := range group.tests {
				t.Run(tt.name, func(t *testing.T) {
					tt.run(&suite{T: t, store: c.Open(t), advance: c.Advance})
				})
			}
		})
	}
}

// times is how often a subtest does something that shows a mistake the better
// the more often it is done: less with go test -short.
func times(n int) int {
	if testing.Short() {
		return max(n/5, 1)
	}
	return n
}

type test struct {
	name string
	run  func(*suite)
}

// suite is one subtest with a separate store.
type suite struct {
	*testing.T
	store   extlibs.Store
	advance func(time.Duration)
}

// maxInt and minInt bound the numbers that are stored, on every platform.
const (
	maxInt int64 = math.MaxInt64
	minInt int64 = math.MinInt64
)

var ctx = context.Background()

// unit is the step in which subtests move time. Real time needs one long enough
// for a busy machine, and short enough to wait for.
func (s *suite) unit() time.Duration {
	if s.advance == nil {
		return 250 * time.Millisecond
	}
	return time.Minute
}

// pass lets n units of time pass.
func (s *suite) pass(n int) {
	d := time.Duration(n) * s.unit()
	if s.advance == nil {
		time.Sleep(d)
		return
	}
	s.advance(d)
}

// inTime runs fn, which sets a key for a unit and changes it before the key expires. It does so
// again where waiting is real and the machine was too busy.
func (s *suite) inTime(fn func()) {
	for {
		began := time.Now()
		if fn(); s.advance != nil || time.Since(began) < s.unit() {
			return
		}
	}
}

// units is a ttl of which a subtest sees at most the start, so that it may be
// long where waiting is real.
func (s *suite) units(n int) time.Duration {
	if s.advance == nil {
		return time.Duration(n) * time.Minute
	}
	return time.Duration(n) * s.unit()
}

func encode(v any) extlibs.Value {
	e, err := extlibs.Encode(v)
	if err != nil {
		panic(err)
	}
	return e
}

func (s *suite) apply(op extlibs.Op) extlibs.Result {
	s.Helper()
	op.NeedOld = true
	r, err := s.store.Apply(ctx, op)
	if err != nil {
		s.Fatalf("Apply(%s): %v", describe(op), err)
	}
	return r
}

func (s *suite) applyMany(ops ...extlibs.Op) []extlibs.Result {
	s.Helper()
	results, err := s.store.ApplyMany(ctx, needOld(ops))
	if err != nil {
		s.Fatalf("ApplyMany of %d operations: %v", len(ops), err)
	}
	if len(results) != len(ops) {
		s.Fatalf("ApplyMany of %d operations has %d results", len(ops), len(results))
	}
	return results
}

// needOld has each operation return what it replaces.
func needOld(ops []extlibs.Op) []extlibs.Op {
	ops = slices.Clone(ops)
	for i := range ops {
		ops[i].NeedOld = true
	}
	return ops
}

func (s *suite) clear() {
	s.Helper()
	if err := s.store.Clear(ctx); err != nil {
		s.Fatalf("Clear: %v", err)
	}
}

func (s *suite) set(key string, v any, ttl time.Duration) {
	s.Helper()
	s.apply(extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: encode(v), TTL: ttl})
}

// load returns the value of a key, "" if it is absent.
func (s *suite) load(key string) extlibs.Value {
	s.Helper()
	e, err := s.store.Load(ctx, key, extlibs.NeedAll)
	switch {
	case errors.Is(err, extlibs.ErrNotFound):
		return extlibs.Value{}
	case err != nil:
		s.Fatalf("Load(%s): %v", name(key), err)
	case e.Key != key:
		s.Errorf("Load(%s) returned the entry of %s", name(key), name(e.Key))
	}
	return e.Value
}

func (s *suite) want(key string, v any) {
	s.Helper()
	if got := s.load(key); got != encode(v) {
		s.Errorf("%s holds %s, want %s", name(key), show(got), show(encode(v)))
	}
}

func (s *suite) wantAbsent(key string) {
	s.Helper()
	if got := s.load(key); !got.IsZero() {
		s.Errorf("%s holds %s, want it absent", name(key), show(got))
	}
}

// wantTTL checks the time that a key has left; 0 is no expiry. A store whose
// clock runs on may have come a little closer to the end.
func (s *suite) wantTTL(key string, want time.Duration) {
	s.Helper()
	e, err := s.store.Load(ctx, key, extlibs.NeedAll)
	if err != nil {
		s.Fatalf("Load(%s): %v", name(key), err)
	}
	if e.TTL > want || e.TTL < 0 || (want == 0) != (e.TTL == 0) || e.TTL < want-s.units(1) {
		s.Errorf("%s has %v left, want %v", name(key), e.TTL, want)
	}
}

func (s *suite) wantLen(want int) {
	s.Helper()
	if n := s.len(); n != want {
		s.Errorf("Len is %d, want %d", n, want)
	}
}

func (s *suite) len() int {
	s.Helper()
	n, err := s.store.Len(ctx)
	if err != nil {
		s.Fatalf("Len: %v", err)
	}
	return n
}

func (s *suite) loadMany(keys ...string) []extlibs.Entry {
	s.Helper()
	entries, err := s.store.LoadMany(ctx, keys, extlibs.NeedAll)
	if err != nil {
		s.Fatalf("LoadMany of %d keys: %v", len(keys), err)
	}
	return entries
}

// scan follows the pages of a range to their end and wants all of their entries.
// A limit bounds all of them together.
func (s *suite) scan(r extlibs.Range) []extlibs.Entry {
	s.Helper()
	var all []extlibs.Entry
	for limit := r.Limit; ; {
		page, err := s.store.Scan(ctx, r)
		if err != nil {
			s.Fatalf("Scan: %v", err)
		}
		if r.Limit > 0 && len(page.Entries) > r.Limit {
			s.Fatalf("a page of limit %d has %d entries", r.Limit, len(page.Entries))
		}
		all = append(all, page.Entries...)
		if !page.More || limit > 0 && len(all) == limit {
			return all
		}
		if from, to := r.Bounds(); page.Next < from || to != "" && page.Next >= to {
			s.Fatalf("the page from %s to %s ends at %s: no progress", name(from), name(to), name(page.Next))
		}
		r.Resume(page.Next)
		if limit > 0 {
			r.Limit = limit - len(all)
		}
	}
}

func keysOf(entries []extlibs.Entry) []string {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	return keys
}
