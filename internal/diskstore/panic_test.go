package diskstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// A bug anywhere below a store, here a panic at each act on its folder in turn, is an
// error of that store: the process lives, no call hangs, and the next open finds all
// that was acknowledged.
func TestAPanicAtAnyActIsAnErrorOfThatStoreAndLosesNothing(t *testing.T) {
	for _, interval := range []time.Duration{0, time.Hour} {
		for at := 1; ; at++ {
			path := filepath.Join(t.TempDir(), "kv.db")
			armed, acts, panicked, last := false, 0, false, ""
			options := func(hook access.Hook) Options {
				return Options{Options: boltfile.Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler), Hook: hook}, Interval: interval}
			}
			s := openWithOptions(t, path, options(func(act access.Act, name string) error {
				if armed {
					if acts++; acts == at {
						panicked, last = true, fmt.Sprint(act, " ", name)
						panic("a bug")
					}
				}
				return nil
			}))
			armed = true
			acknowledged := map[string]string{}
			inAMinute(t, fmt.Sprint("the calls, with a panic at act ", at), func() {
				for i := range 6 {
					key := fmt.Sprint("k", i)
					if set(s, key, "v") == nil {
						acknowledged[key] = "v"
					}
					if i == 2 {
						s.Compact(t.Context())
					}
				}
			})
			inAMinute(t, fmt.Sprint("the close, with a panic at act ", at), func() { s.Close() })
			armed = false
			again, err := Open(t.Context(), access.Location{Path: path}, options(nil))
			if err != nil {
				t.Fatalf("panic at act %d, interval %v, %v: %v", at, interval, last, err)
			}
			for key, value := range acknowledged {
				if s, err := again.Load(time.Now(), key, true); err != nil || s.Value != value {
					t.Errorf("panic at act %d: %s is %q after the next open, %v", at, key, s.Value, err)
				}
			}
			again.Close()
			if !panicked {
				if at < 10 {
					t.Errorf("only %d acts", at)
				}
				break
			}
		}
	}
}

// A plan that panics leaves no lock behind.
func TestAPlanThatPanicsIsAnErrorOfThatStore(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "kv.db"))
	put(t, s, "k", "v")
	inAMinute(t, "the calls", func() {
		err := s.Write(context.Background(), func(*Plan) error { panic("a bug") })
		if !errors.Is(err, kverr.CommitUnknown) || !errors.Is(err, kverr.Corrupt) {
			t.Errorf("a plan that panics: %v", err)
		}
		if err := set(s, "k", "w"); !errors.Is(err, kverr.Corrupt) {
			t.Errorf("the next set: %v", err)
		}
	})
	inAMinute(t, "the close", func() { s.Close() })
}

// inAMinute fails if fn takes a minute.
func inAMinute(t *testing.T, what string, fn func()) {
	t.Helper()
	t.Log(what)
	kvtest.Within(t, time.Minute, fn)
}

func openWithOptions(t *testing.T, path string, opts Options) *Store {
	t.Helper()
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), loc, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func set(s *Store, key, value string) error {
	return s.Write(context.Background(), func(p *Plan) error {
		return makeState(p, key, boltfile.State{Exists: true, Value: value})
	})
}
