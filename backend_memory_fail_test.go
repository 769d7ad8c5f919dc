package extlibs

import (
	"bytes"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// panickyClock panics at a look while it is armed: under whatever lock the look is made.
func panickyClock(armed *atomic.Bool) Option {
	return Clock(func() time.Time {
		if armed.Load() {
			var none []int
			_ = none[5]
		}
		return time.Now()
	})
}

// A bug in any call on an in-memory store is an error of that store: no lock stays
// locked, other stores continue, and clear makes the store work again.
func TestAPanicInACallInMemoryIsAnErrorOfThatStore(t *testing.T) {
	set := Op{Kind: OpSet, Key: "k", Value: encodeInt(1), TTL: time.Hour}
	for name, call := range map[string]func(h *Handle, m *memory) error{
		"a set":          func(h *Handle, m *memory) error { _, err := m.Apply(t.Context(), set); return err },
		"a handle's set": func(h *Handle, m *memory) error { return h.Set(t.Context(), "k", map[string]any{}, 0) },
		"a batch":        func(h *Handle, m *memory) error { _, err := m.ApplyMany(t.Context(), []Op{set, set}); return err },
		"a get of several": func(h *Handle, m *memory) error {
			_, err := m.LoadMany(t.Context(), []string{"k"}, NeedAll)
			return err
		},
		"a page":  func(h *Handle, m *memory) error { _, err := m.Scan(t.Context(), Range{Need: NeedAll}); return err },
		"a count": func(h *Handle, m *memory) error { _, err := m.Len(t.Context()); return err },
	} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			var log bytes.Buffer
			r := NewRegistry(panickyClock(&armed), MaxKeys(10), SweepInterval(time.Hour), Logger(slog.New(slog.NewTextHandler(&log, nil))))
			defer r.Close()
			h, err := r.Open(t.Context(), ":memory:victim")
			if err != nil {
				t.Fatal(err)
			}
			other, err := r.Open(t.Context(), ":memory:other")
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Set(t.Context(), "k", 1, time.Hour); err != nil {
				t.Fatal(err)
			}
			if err := h.Set(t.Context(), "a secret key", "a secret value", time.Hour); err != nil {
				t.Fatal(err)
			}
			armed.Store(true)
			err = call(h, h.backend.(*memory))
			armed.Store(false)
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "index out of range") || !strings.Contains(err.Error(), "clear the store") {
				t.Fatalf("the call that panics: %v", err)
			}
			if !strings.Contains(log.String(), "stack=") || strings.Contains(log.String(), "secret") {
				t.Errorf("the log says %s", log.String())
			}
			for _, key := range []string{"k", "new"} {
				if err := h.Set(t.Context(), key, 1, time.Hour); !errors.Is(err, ErrCorrupt) {
					t.Errorf("a later set of %q: %v", key, err)
				}
				if _, err := h.Get(t.Context(), key); !errors.Is(err, ErrCorrupt) {
					t.Errorf("a later get of %q: %v", key, err)
				}
			}
			if err := other.Set(t.Context(), "k", 1, time.Hour); err != nil {
				t.Errorf("another store: %v", err)
			}
			if err := h.Clear(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := h.Set(t.Context(), "k", 2, time.Hour); err != nil {
				t.Errorf("a set after clear: %v", err)
			}
			if n, err := h.Count(t.Context(), ""); err != nil || n != 1 {
				t.Errorf("after clear there are %d keys, %v", n, err)
			}
			armed.Store(true)
			call(h, h.backend.(*memory))
			armed.Store(false)
			if err := h.Close(); err != nil {
				t.Errorf("close of a failed store: %v", err)
			}
			if _, err := h.Get(t.Context(), "k"); !errors.Is(err, ErrClosed) {
				t.Errorf("a get after close: %v", err)
			}
		})
	}
}

// A bug in a sweep, which runs on a goroutine of the library, does not end the process.
func TestAPanicInASweepIsAnErrorOfThatStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var armed atomic.Bool
		m := newTestMemory(t, panickyClock(&armed), SweepInterval(time.Second))
		m.mustApply(t, Op{Kind: OpSet, Key: "k", Value: encodeInt(1), TTL: time.Second})
		armed.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		armed.Store(false)
		if _, err := m.Load(t.Context(), "k", NeedAll); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a get after the sweep: %v", err)
		}
		if err := m.Clear(t.Context()); err != nil {
			t.Error(err)
		}
		m.mustApply(t, Op{Kind: OpSet, Key: "k", Value: encodeInt(1), TTL: time.Second})
		time.Sleep(time.Minute)
		synctest.Wait()
		if m.held() != 0 {
			t.Error("a cleared store is not swept")
		}
	})
}

// Writers remove keys that expire before the sweeper runs.
func TestKeysThatExpireFasterThanTheSweeperComesAreRemovedByWriters(t *testing.T) {
	var now atomic.Int64
	base := time.Now()
	m := newTestMemory(t, SweepInterval(time.Hour), Clock(func() time.Time { return base.Add(time.Duration(now.Load())) }))
	padding := strings.Repeat("x", 30_000)
	for i := range 4000 {
		m.mustApply(t, Op{Kind: OpSet, Key: strconv.Itoa(i) + padding, Value: encodeInt(1), TTL: time.Millisecond})
		now.Add(int64(2 * time.Millisecond))
	}
	// What writers have not been told of yet is a part of the limit, see Wrote.
	if bytes := statsOf(t, m).Bytes; bytes > sweepWritten+DefaultMaxMemoryBytes/16 {
		t.Errorf("%d bytes are held of keys that have expired", bytes)
	}
	if err := m.state.Load().Check(); err != nil {
		t.Error(err)
	}
}

func TestAPanicInASweepOfAFileEndsThatSweepOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sweeps := 0
		var failed any
		s := &sweeper{interval: time.Second, failed: func(p any) { failed = p }, step: func() time.Duration {
			if sweeps++; sweeps == 1 {
				panic("a bug")
			}
			return -1
		}}
		s.expect(0)
		time.Sleep(time.Minute)
		synctest.Wait()
		s.expect(0)
		time.Sleep(time.Minute)
		synctest.Wait()
		s.close()
		if sweeps != 2 || failed != "a bug" {
			t.Errorf("%d sweeps, of which one failed with %v", sweeps, failed)
		}
	})
}
