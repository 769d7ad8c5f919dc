package extlibs_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/storetest"
)

var ctx = context.Background()

func TestMain(m *testing.M) { os.Exit(kvtest.Run(m)) }

// backend is one kind of store that tests of all of them run against.
type backend struct {
	name       string
	options    []extlibs.Option
	cache      bool // evicts, but not in a test whose store is small
	persistent bool // in a file, so that it can be opened again
	delayed    bool // what a write did is in the file at an uncertain time
	pending    bool // and not before the store is closed
}

var onDisk = backend{name: "bolt", persistent: true}

var backends = []backend{
	{name: "memory"},
	onDisk,
	{name: "cache", cache: true},
	{name: "interval", persistent: true, delayed: true, options: []extlibs.Option{extlibs.Durability(extlibs.Interval(3 * time.Millisecond)), extlibs.LogBytes(1)}},
	{name: "interval, all pending", persistent: true, delayed: true, pending: true, options: []extlibs.Option{extlibs.Durability(extlibs.Interval(time.Hour))}},
}

// storeName returns the name of a store that does not exist yet.
func (b backend) storeName(t testing.TB) string {
	if b.persistent {
		return filepath.Join(t.TempDir(), "store.db")
	}
	if b.cache {
		return ":cache:store"
	}
	return ":memory:store"
}

// registry returns a registry of the test's own.
func (b backend) registry(t testing.TB, opts ...extlibs.Option) *extlibs.Registry {
	t.TempDir() // folders go after the stores in them: a store says if its file is lost
	r := newRegistry(slices.Concat(b.options, opts)...)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Registry.Close: %v", err)
		}
	})
	return r
}

// newRegistry returns a registry whose logs are small with -short: a log of the size that
// hosts get is most of what a small store costs.
func newRegistry(opts ...extlibs.Option) *extlibs.Registry {
	if testing.Short() {
		opts = append([]extlibs.Option{extlibs.LogBytes(256 << 10)}, opts...)
	}
	return extlibs.NewRegistry(opts...)
}

// open returns an empty store in a new registry.
func (b backend) open(t testing.TB, opts ...extlibs.Option) *extlibs.Handle {
	return mustOpen(t, b.registry(t, opts...), b.storeName(t))
}

func mustOpen(t testing.TB, r *extlibs.Registry, name string) *extlibs.Handle {
	t.Helper()
	h, err := r.Open(ctx, name)
	if err != nil {
		t.Fatalf("Open(%q): %v", name, err)
	}
	return h
}

// forEachBackend runs a test against every kind of store.
func forEachBackend(t *testing.T, test func(t *testing.T, b backend)) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) { test(t, b) })
	}
}

// testClock stands still unless it is moved.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *testClock {
	return &testClock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *testClock) option() extlibs.Option { return extlibs.Clock(c.Now) }

func TestEveryBackendPassesTheConformanceTests(t *testing.T) {
	for _, b := range kvtest.Sample(t, backends, 2) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			storetest.Run(t, storetest.Config{
				Open: func(t *testing.T) extlibs.Store {
					return b.open(t, clock.option()).Store()
				},
				Advance: clock.Advance,
			})
		})
	}
}

func statsOf(t testing.TB, s interface {
	Stats(context.Context) (extlibs.Stats, error)
}) extlibs.Stats {
	t.Helper()
	stats, err := s.Stats(ctx)
	if err != nil {
		t.Errorf("Stats: %v", err)
	}
	return stats
}

// has reports whether a key is there.
func has(t *testing.T, h *extlibs.Handle, key string) bool {
	t.Helper()
	there, err := h.Exists(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	return there
}
