package diskstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// gate stops a store before it allocates the blocks of a segment.
type gate struct {
	closed  atomic.Bool
	reached chan struct{}
	goOn    chan struct{}
	fail    atomic.Pointer[syscall.Errno] // of what is beyond it
	failAct atomic.Pointer[access.Act]
}

func newGate() *gate { return &gate{reached: make(chan struct{}), goOn: make(chan struct{})} }

func (g *gate) hook(act access.Act, _ string) error {
	if act == access.ActAllocateLog && g.closed.Load() {
		g.reached <- struct{}{}
		<-g.goOn
	}
	if a := g.failAct.Load(); a != nil && *a == act {
		return *g.fail.Load()
	}
	return nil
}

// failing makes an act of the store fail.
func (g *gate) failing(act access.Act, errno syscall.Errno) {
	g.fail.Store(&errno)
	g.failAct.Store(&act)
}

// largeCall increments many numbers, as a call that is too large for the log.
func (d db) largeCall(ctx context.Context, tries *int) error {
	return d.WriteMany(ctx, len(largeKeys), func(p *Plan) error {
		*tries++
		return increment(p, largeKeys, func() {})
	})
}

var largeKeys = func() (keys []string) {
	for i := range 3000 {
		keys = append(keys, fmt.Sprintf("large/%04d/%s", i, strings.Repeat("k", 40)))
	}
	return keys
}()

// holds fails unless all keys of the large call have a number, or no key exists if it is 0.
func (d db) holds(t *testing.T, number int) {
	t.Helper()
	n := 0
	for _, c := range must1(d.entries("large/"))(t) {
		if n++; c.Was.Value != fmt.Sprint(number) {
			t.Fatalf("%s is %s, not %d", c.Key, c.Was.Value, number)
		}
	}
	if want := len(largeKeys) * min(number, 1); n != want {
		t.Fatalf("%d keys, not %d", n, want)
	}
}

func must1[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// While a call that is too large for the log is on its way, others go on. It is done completely or
// not at all, whatever happens meanwhile.
func TestACallThatIsTooLargeForTheLogStopsNoOthers(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, d db, g *gate, cancel func())
		number    int // that the keys have afterwards
		tries     int
		err       error
		closes    bool
	}{
		"nothing": {func(*testing.T, db, *gate, func()) {}, 2, 1, nil, false},
		"sets and reads": {func(t *testing.T, d db, _ *gate, _ func()) {
			for i := range 50 {
				if err := d.set(fmt.Sprint("other", i), i); err != nil {
					t.Error(err)
				}
			}
			d.holds(t, 1)
		}, 2, 1, nil, false},
		"a checkpoint": {func(t *testing.T, d db, _ *gate, _ func()) {
			if err := d.Compact(t.Context()); err != nil {
				t.Error(err)
			}
		}, 2, 1, nil, false},
		"a change of one of its keys": {func(t *testing.T, d db, g *gate, _ func()) {
			g.closed.Store(false)
			if err := d.set(largeKeys[7], 1); err != nil {
				t.Error(err)
			}
		}, 2, 2, nil, false},
		"a clear": {func(t *testing.T, d db, g *gate, _ func()) {
			g.closed.Store(false)
			if err := d.clear(); err != nil {
				t.Error(err)
			}
		}, 1, 2, nil, false},
		"a large write": {func(t *testing.T, d db, _ *gate, _ func()) {
			if err := d.set("other", strings.Repeat("v", 200<<10)); err != nil {
				t.Error(err)
			}
		}, 2, 1, nil, false},
		"a cancellation": {func(_ *testing.T, _ db, _ *gate, cancel func()) { cancel() }, 1, 1, context.Canceled, false},
		"a full disk":    {func(_ *testing.T, _ db, g *gate, _ func()) { g.failing(access.ActAllocateLog, syscall.ENOSPC) }, 2, 1, nil, false},
		"a failing sync": {func(_ *testing.T, _ db, g *gate, _ func()) { g.failing(access.ActSyncLog, syscall.EIO) }, 1, 1, kverr.Unavailable, false},
		"close":          {func(t *testing.T, d db, _ *gate, _ func()) { d.Close() }, 1, 1, kverr.Closed, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate()
			path := storeName(t)
			d := mustOpen(t, path, hook(g.hook), logBytes(64<<10))
			tries := 0
			if err := errors.Join(d.set("first", 1), d.largeCall(t.Context(), &tries)); err != nil || tries != 1 {
				t.Fatal(tries, err)
			}
			d.holds(t, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			tries = 0
			g.closed.Store(true)
			ended := make(chan error)
			go func() { ended <- d.largeCall(ctx, &tries) }()
			within(t, g.reached)
			c.meanwhile(t, d, g, cancel)
			g.closed.Store(false)
			g.goOn <- struct{}{}
			err := within(t, ended)
			if !errors.Is(err, c.err) || tries != c.tries {
				t.Errorf("planned %d times, not %d: %v, not %v", tries, c.tries, err, c.err)
			}
			if c.err == nil {
				d.holds(t, c.number)
			}
			g.failAct.Store(nil)
			if !c.closes {
				d.Close() // of a store whose log has failed, too
			}
			d = opened(t, path)
			d.holds(t, c.number)
		})
	}
}

// Calls that are too large for the log can run at the same time, also if they change the same
// keys, while others read.
func TestCallsThatAreTooLargeForTheLogRunAtTheSameTime(t *testing.T) {
	for _, parts := range kvtest.Sample(t, []Parts{{}, {Transaction: 1}, {Segment: 1, LargeLogs: true}}, 1) {
		path := storeName(t)
		d := mustOpen(t, path, logBytes(64<<10), func(o *Options) { o.Parts = parts })
		if err := d.set("first", 1); err != nil {
			t.Fatal(err)
		}
		var calls sync.WaitGroup
		const writers, each, keys = 3, 2, 1000
		for w := range writers {
			calls.Go(func() {
				for i := range each {
					var mine []string
					for k := range keys {
						mine = append(mine, fmt.Sprintf("w%d/%d/%04d/%s", w, i, k, strings.Repeat("k", 40)))
					}
					for _, keys := range [][]string{mine, append([]string{"shared"}, mine...)} {
						err := d.WriteMany(t.Context(), len(keys), func(p *Plan) error { return increment(p, keys, func() {}) })
						if err != nil {
							t.Error(err)
						}
					}
				}
			})
			calls.Go(func() {
				for range 20 {
					entries := map[string]int{}
					list, err := d.entries("w")
					if err != nil {
						t.Error(err)
					}
					for _, c := range list {
						entries[c.Key[:4]+"="+c.Was.Value]++
					}
					for call, n := range entries {
						if n != keys {
							t.Errorf("a read sees %d entries of %s", n, call)
						}
					}
				}
			})
		}
		calls.Wait()
		if n := d.number(t, "shared"); n != writers*each {
			t.Errorf("a number was incremented %d times, not %d", n, writers*each)
		}
		if n, err := d.count(); n != writers*each*keys+2 || err != nil {
			t.Errorf("%d keys: %v", n, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = opened(t, path)
		if n, err := d.count(); n != writers*each*keys+2 || err != nil {
			t.Errorf("opened again it has %d keys: %v", n, err)
		}
	}
}

// After a crash a store has what is in segments, also if it is only read. A log whose segment is
// damaged or missing is refused.
func TestSegmentsSurviveACrash(t *testing.T) {
	path := storeName(t)
	d := opened(t, path, logBytes(64<<10))
	tries := 0
	if err := errors.Join(d.set("first", 1), d.largeCall(t.Context(), &tries)); err != nil {
		t.Fatal(err)
	}
	crashed := storeName(t)
	for n := 0; ; n++ { // until no checkpoint has removed it
		if n == 100 {
			t.Fatal("there was no segment")
		}
		w, err := d.lockFile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.checkpoint(false), d.file.Extend(boltfile.Need{Net: 64 << 20})); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- d.largeCall(t.Context(), &tries) }()
		if err := within(t, done); err != nil {
			t.Fatal(err)
		}
		copyCrashed(t, path, crashed)
		found := d.logFile.Load().log.SegmentBytes() > 0
		w.unlock()
		if found {
			break
		}
	}
	number := d.number(t, largeKeys[0])
	file, log := readFile(t, crashed), readFile(t, crashed+"-log")
	for name, c := range map[string]struct {
		change func(log []byte) []byte
		valid  bool
	}{
		"as it was":  {func(log []byte) []byte { return log }, true},
		"longer":     {func(log []byte) []byte { return append(log, make([]byte, 1<<20)...) }, true},
		"truncated":  {func(log []byte) []byte { return log[:len(log)-200<<10] }, false},
		"without it": {func(log []byte) []byte { return log[:64<<10+1] }, false},
		"damaged":    {func(log []byte) []byte { log[64<<10+9000] ^= 1; return log }, false},
		"zeros":      {func(log []byte) []byte { clear(log[64<<10:]); return log }, false},
	} {
		for _, opts := range [][]option{{readOnly()}, nil, {parts(Parts{Memtable: 5000, Transaction: 50_000})}} {
			to := storeName(t)
			writeFile(t, to, file)
			writeFile(t, to+"-log", c.change(append([]byte(nil), log...)))
			d, err := open(to, opts...)
			if c.valid != (err == nil) || err != nil && !errors.Is(err, kverr.Corrupt) {
				t.Errorf("%s: %v", name, err)
			}
			if err == nil {
				d.holds(t, number)
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
	// The log of a file that was moved away is renamed, with its segments.
	to := storeName(t)
	writeFile(t, to, file)
	writeFile(t, to+"-log", log)
	if err := os.Rename(to, to+".moved"); err != nil {
		t.Fatal(err)
	}
	other := mustOpen(t, to)
	if err := errors.Join(other.set("a", 1), other.Close(), os.Rename(to+".moved", to)); err != nil {
		t.Fatal(err)
	}
	d = opened(t, to)
	d.holds(t, number)
}

// Segments take no more memory than their limit, and a call for which it is too small is a large write.
func TestSegmentsTakeLimitedMemory(t *testing.T) {
	var v visible
	v.tables.mutable = &memtable{}
	if !v.reserve(maxSegmentMemory - 1) {
		t.Error("no memory for the first one")
	}
	if v.reserve(2) || !v.reserve(1) || v.reserve(1) {
		t.Error("the limit is not exact")
	}
	v.reserved = 0
	for range maxImmutable + 1 {
		v.tables.immutable = append(v.tables.immutable, &memtable{})
	}
	if v.reserve(1) {
		t.Error("there are many memtables, and it does not wait")
	}
	d := opened(t, storeName(t), logBytes(64<<10))
	if err := d.set("first", 1); err != nil {
		t.Fatal(err)
	}
	p := &Plan{changeSet: changeSet{memory: maxSegmentMemory}}
	if !d.mayHaveSegment(p) {
		t.Error("a call of the whole limit has no segment")
	}
	if p.memory++; d.mayHaveSegment(p) {
		t.Error("a call of more than the limit has a segment")
	}
	limited := opened(t, storeName(t), maxBytes(10<<20))
	if err := limited.set("first", 1); err != nil {
		t.Fatal(err)
	}
	if limited.mayHaveSegment(&Plan{}) {
		t.Error("a store of a limited size has segments")
	}
}
