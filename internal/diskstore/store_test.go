package diskstore

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

func openTest(t *testing.T, path string) *Store {
	t.Helper()
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), loc, Options{Options: boltfile.Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Store, key, value string) {
	t.Helper()
	err := s.Write(context.Background(), func(p *Plan) error {
		return makeState(p, key, boltfile.State{Exists: true, Value: value})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// makeState makes a state of a key part of a plan.
func makeState(p *Plan, key string, next boltfile.State) error {
	changes := []Change{{Key: key}}
	err := p.Read(changes, false, nil)
	changes[0].Next, changes[0].Changed = next, true
	return cmp.Or(err, p.Make(changes))
}

// What replay would refuse is not written: the next open would find a damaged log.
func TestAChangeThatNoFileCanHoldIsRefusedWithItsPlan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	s := openTest(t, path)
	put(t, s, "k", "1")
	valid := Change{Key: "a", Next: boltfile.State{Exists: true, Value: "v"}, Changed: true}
	for name, wrong := range map[string]Change{
		"no key":              {Next: boltfile.State{Exists: true, Value: "v"}, Changed: true},
		"a key that is long":  {Key: strings.Repeat("k", 32<<10+1), Next: boltfile.State{Exists: true, Value: "v"}, Changed: true},
		"no value":            {Key: "b", Next: boltfile.State{Exists: true}, Changed: true},
		"a negative deadline": {Key: "b", Next: boltfile.State{Exists: true, Value: "v", Deadline: -1}, Changed: true},
	} {
		for _, ignored := range []bool{false, true} {
			err := s.Write(t.Context(), func(p *Plan) error {
				err := p.Make([]Change{valid, wrong})
				if !errors.Is(err, kverr.Invalid) || p.Growth() != 0 {
					t.Errorf("%s: %v; the keys grow by %d", name, err, p.Growth())
				}
				if ignored {
					return nil
				}
				return err
			})
			if ignored != (err == nil) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, path)
	defer s.Close()
	if n, err := s.Len(time.Now()); n != 1 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
}

// A sync of somebody else's record may end in the middle of an append.
func TestARecordThatIsDurableBeforeItIsStagedIsVisibleAndKept(t *testing.T) {
	for _, end := range []string{"read", "close", "write of another", "a large call"} {
		t.Run(end, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kv.db")
			s := openTest(t, path)
			put(t, s, "first", "1")

			l, err := s.lockPlanner(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p, err := l.plan(func(p *Plan) error {
				return makeState(p, "k", boltfile.State{Exists: true, Value: "v"})
			})
			if err != nil {
				t.Fatal(err)
			}
			log := s.logFile.Load().log
			if p.end, err = log.Append(p.record(), 0); err != nil {
				t.Fatal(err)
			}
			if err := log.Sync(context.Background(), p.end); err != nil {
				t.Fatal(err)
			}
			p.depends = p.end
			s.visible.append(p, false)
			l.unlock()

			switch end {
			case "read":
				if err := s.acknowledge(context.Background(), p, nil); err != nil {
					t.Fatal(err)
				}
				if s, err := s.Load(time.Now(), "k", true); s.Value != "v" || err != nil {
					t.Errorf("it is %+v, %v", s, err)
				}
			case "write of another":
				put(t, s, "other", "2")
			case "a large call":
				put(t, s, "large", string(make([]byte, minLogBytes)))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, path)
			if s, err := s.Load(time.Now(), "k", true); s.Value != "v" || err != nil {
				t.Errorf("opened again it is %+v, %v", s, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestWhoWaitsBehindALargeCallIsHeardWhenItsContextEnds(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "kv.db"))
	defer s.Close()
	put(t, s, "first", "1")

	// Another call comes between the two times that the large one is planned.
	w, _ := s.lockFile(context.Background())
	planned, held, gate := make(chan struct{}, 2), make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	plans := 0
	go func() {
		done <- s.Write(context.Background(), func(p *Plan) error {
			planned <- struct{}{}
			if plans++; plans == 2 {
				close(held)
				<-gate
			}
			return makeState(p, "large", boltfile.State{Exists: true, Value: strings.Repeat("x", minLogBytes)})
		})
	}()
	<-planned
	put(t, s, "between", "2")
	w.unlock()
	within(t, held)

	parent, cancel := context.WithCancel(context.Background())
	ctx := &waitedFor{Context: parent, waits: make(chan struct{})}
	cancelled := make(chan error, 1)
	go func() {
		cancelled <- s.Write(ctx, func(p *Plan) error { t.Error("it was planned"); return nil })
	}()
	waits := make(chan error, 1)
	go func() {
		waits <- s.Write(context.Background(), func(p *Plan) error {
			s, err := p.state("large", false)
			if !s.Exists {
				t.Error("a call that came later is ahead")
			}
			return err
		})
	}()
	within(t, ctx.waits)
	cancel()
	if err := within(t, cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if s, err := s.Load(time.Now(), "between", true); s.Value != "2" || err != nil {
		t.Errorf("a read meanwhile: %+v, %v", s, err)
	}
	close(gate)
	for _, c := range []chan error{done, waits} {
		if err := within(t, c); err != nil {
			t.Error(err)
		}
	}
}

// waitedFor tells when someone waits for it.
type waitedFor struct {
	context.Context
	once  sync.Once
	waits chan struct{}
}

func (w *waitedFor) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waits) })
	return w.Context.Done()
}

// within ends the test where a channel has nothing for long.
func within[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
	}
	return v
}

// A write that was planned before a close, and comes to the file after it, fails
// because the store is closed: nothing is wrong with the file's name.
func TestAWriteThatACloseOvertakesIsClosed(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "kv.db"))
	put(t, s, "key", "value")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p := &Plan{s: s, changeSet: changeSet{puts: true, need: boltfile.Need{Net: 1 << 30}}}
	for what, step := range map[string]func() error{
		"write through":  func() error { return s.writeLarge(context.Background(), p, func(*Plan) error { return nil }) },
		"extend":         func() error { return s.extend(context.Background(), p) },
		"extend a file":  func() error { return s.file.Extend(p.need) },
		"make room":      func() error { return s.makeRoom(context.Background(), p) },
		"a backup":       func() error { _, err := s.snapshot(context.Background()); return err },
		"look at names":  s.file.InPlace,
		"ask for writes": s.file.Writable,
	} {
		if err := step(); !errors.Is(err, kverr.Closed) || errors.Is(err, kverr.Unavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
