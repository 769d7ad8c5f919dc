package diskstore

import (
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

func openTestDisk(t *testing.T, path string) *Store {
	t.Helper()
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), loc, Options{Options: boltfile.Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func put(t *testing.T, d *Store, key, value string) {
	t.Helper()
	err := d.Do(context.Background(), func(p *Plan) error {
		was, err := p.State(key, false)
		p.Change(key, was, boltfile.State{Exists: true, Value: value})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A sync of somebody else's record may end in the middle of an append.
func TestARecordThatIsDurableBeforeItIsStagedIsVisibleAndKept(t *testing.T) {
	for _, end := range []string{"read", "close", "write of another", "a large call"} {
		t.Run(end, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kv.db")
			d := openTestDisk(t, path)
			put(t, d, "first", "1")

			d.plan.Lock()
			p, err := d.newPlan(func(p *Plan) error {
				p.Change("k", boltfile.State{}, boltfile.State{Exists: true, Value: "v"})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if p.call.end, err = d.log.Append(p.batch(), 0); err != nil {
				t.Fatal(err)
			}
			if err := d.log.Sync(context.Background(), p.call.end); err != nil {
				t.Fatal(err)
			}
			p.seen = p.call.end
			d.stage(&p.call)
			d.plan.Unlock()

			switch end {
			case "read":
				if err := d.acknowledge(context.Background(), p, nil); err != nil {
					t.Fatal(err)
				}
				if s, err := d.Load(time.Now(), "k", true); s.Value != "v" || err != nil {
					t.Errorf("it is %+v, %v", s, err)
				}
			case "write of another":
				put(t, d, "other", "2")
			case "a large call":
				put(t, d, "large", string(make([]byte, minLogBytes)))
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d = openTestDisk(t, path)
			if s, err := d.Load(time.Now(), "k", true); s.Value != "v" || err != nil {
				t.Errorf("opened again it is %+v, %v", s, err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestWhoWaitsBehindALargeCallIsHeardWhenItsContextEnds(t *testing.T) {
	d := openTestDisk(t, filepath.Join(t.TempDir(), "kv.db"))
	defer d.Close()
	put(t, d, "first", "1")

	// Another call comes between the two times that the large one is planned.
	d.lock(context.Background())
	planned, held, gate := make(chan struct{}, 2), make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	plans := 0
	go func() {
		done <- d.Do(context.Background(), func(p *Plan) error {
			planned <- struct{}{}
			if plans++; plans == 2 {
				close(held)
				<-gate
			}
			was, err := p.State("large", false)
			p.Change("large", was, boltfile.State{Exists: true, Value: strings.Repeat("x", minLogBytes)})
			return err
		})
	}()
	<-planned
	put(t, d, "between", "2")
	d.unlock()
	within(t, held)

	parent, cancel := context.WithCancel(context.Background())
	ctx := &waitedFor{Context: parent, waits: make(chan struct{})}
	cancelled := make(chan error, 1)
	go func() {
		cancelled <- d.Do(ctx, func(p *Plan) error { t.Error("it was planned"); return nil })
	}()
	waits := make(chan error, 1)
	go func() {
		waits <- d.Do(context.Background(), func(p *Plan) error {
			s, err := p.State("large", false)
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
	if s, err := d.Load(time.Now(), "between", true); s.Value != "2" || err != nil {
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
	d := openTestDisk(t, filepath.Join(t.TempDir(), "kv.db"))
	put(t, d, "key", "value")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	p := &Plan{d: d, log: d.log, puts: true, call: call{weight: boltfile.Need{Net: 1 << 30}}}
	for what, step := range map[string]func() error{
		"write through":  func() error { return d.writeThrough(context.Background(), p, func(*Plan) error { return nil }) },
		"extend":         func() error { _, err := d.extend(context.Background(), p); return err },
		"extend a file":  func() error { return d.file.Extend(p.call.weight) },
		"make room":      func() error { return d.makeRoom(context.Background(), p) },
		"a backup":       func() error { _, err := d.snapshot(context.Background()); return err },
		"look at names":  d.file.InPlace,
		"ask for writes": d.file.Writable,
	} {
		if err := step(); !errors.Is(err, kverr.Closed) || errors.Is(err, kverr.Unavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
