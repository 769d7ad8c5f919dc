package diskstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// apartAlways has all calls of WriteMany planned apart, with a memtable for each.
var apartAlways = parts(Parts{ApartKeys: 1, TableBytes: 1})

// planned is a call on many keys that stops while it is planned.
type planned struct {
	reads chan struct{} // it has read its keys
	goOn  chan struct{}
	tries int
	ended chan error
}

// plan begins a call that increments numbers.
func plan(d db, keys ...string) *planned {
	c := &planned{reads: make(chan struct{}), goOn: make(chan struct{}), ended: make(chan error, 1)}
	go func() {
		c.ended <- d.WriteMany(context.Background(), len(keys), func(p *Plan) error {
			c.tries++
			return increment(p, keys, func() {
				c.reads <- struct{}{}
				<-c.goOn
			})
		})
	}()
	return c
}

// increment makes changes that add 1 to numbers. between is called after they were read.
func increment(p *Plan, keys []string, between func()) error {
	changes := make([]Change, len(keys))
	for i, key := range keys {
		changes[i].Key = key
	}
	if err := p.Read(changes, true, nil); err != nil {
		return err
	}
	between()
	for i := range changes {
		n := 0
		if changes[i].Was.Live(p.Now) {
			fmt.Sscan(changes[i].Was.Value, &n)
		}
		changes[i].Next, changes[i].Changed = stateFor(n+1), true
	}
	return p.Make(changes)
}

// finish lets the call go on, each time it is planned, and checks how often that was.
func (c *planned) finish(t *testing.T, tries int) {
	t.Helper()
	for {
		select {
		case c.goOn <- struct{}{}:
		case <-c.reads:
		case err := <-c.ended:
			if err != nil || c.tries != tries {
				t.Errorf("the call was planned %d times, not %d: %v", c.tries, tries, err)
			}
			return
		}
	}
}

func (d db) number(t *testing.T, key string) (n int) {
	t.Helper()
	value, err := d.get(key)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Sscan(value, &n)
	return n
}

// numberOr0 is number for a key that can be absent.
func (d db) numberOr0(t *testing.T, key string) int {
	t.Helper()
	if !d.has(t, key) {
		return 0
	}
	return d.number(t, key)
}

// While a call on many keys is planned, others go on. One that changes none of its keys does
// not disturb it; otherwise it is planned again, and nothing is lost.
func TestACallOnManyKeysIsPlannedWhileOthersGoOn(t *testing.T) {
	large := strings.Repeat("v", 200<<10)
	for name, c := range map[string]struct {
		change func(db) error
		tries  int
	}{
		"nothing":          {func(db) error { return nil }, 1},
		"another key":      {func(d db) error { return d.set("b", 7) }, 1},
		"many other keys":  {func(d db) error { return d.setMany(map[string]any{"A": 1, "b": 2, "d": 3}) }, 1},
		"one of its keys":  {func(d db) error { _, err := d.incr("c"); return err }, 2},
		"a key among many": {func(d db) error { return d.setMany(map[string]any{"b": 2, "c": 11}) }, 2},
		"removal of a key": {func(d db) error { _, err := d.remove("a"); return err }, 2},
		"clear":            {func(d db) error { return d.clear() }, 2},
		"a checkpoint":     {func(d db) error { return d.Compact(context.Background()) }, 1},
		"a call like it": {func(d db) error {
			p := plan(d, "c", "d")
			<-p.reads
			p.finish(t, 1)
			return nil
		}, 2},
		"a call beside it": {func(d db) error {
			p := plan(d, "b", "d")
			<-p.reads
			p.finish(t, 1)
			return nil
		}, 1},
		"a large write":    {func(d db) error { return d.set("b", large) }, 1},
		"one with its key": {func(d db) error { return d.setMany(map[string]any{"b": large, "c": 11}) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			path := storeName(t)
			d := mustOpen(t, path, apartAlways)
			if err := d.setMany(map[string]any{"a": 10, "c": 10}); err != nil {
				t.Fatal(err)
			}
			call := plan(d, "a", "c")
			within(t, call.reads)
			if err := c.change(d); err != nil {
				t.Fatal(err)
			}
			a, c2 := d.numberOr0(t, "a")+1, d.numberOr0(t, "c")+1
			call.finish(t, c.tries)
			for range 2 {
				if got, got2 := d.number(t, "a"), d.number(t, "c"); got != a || got2 != c2 {
					t.Errorf("a and c are %d and %d, not %d and %d", got, got2, a, c2)
				}
				if n := len(d.planner.apart); n > 0 {
					t.Errorf("%d plans are still compared", n)
				}
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				d = mustOpen(t, path, apartAlways)
			}
			d.Close()
		})
	}
}

// A key that expires while the call is planned counts as expired.
func TestAKeyThatExpiresWhileACallIsPlannedDisturbsIt(t *testing.T) {
	for name, ttl := range map[string]time.Duration{"expired": time.Minute, "not expired": time.Hour} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			now := time.Now()
			d := opened(t, storeName(t), apartAlways, func(o *Options) {
				o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
			})
			s := stateFor(10)
			s.Deadline = now.Add(ttl).UnixNano()
			if err := d.Write(t.Context(), func(p *Plan) error { return makeState(p, "a", s) }); err != nil {
				t.Fatal(err)
			}
			call := plan(d, "a", "c")
			within(t, call.reads)
			mu.Lock()
			now = now.Add(time.Minute)
			mu.Unlock()
			tries, want := 1, 11
			if name == "expired" {
				tries, want = 2, 1
			}
			call.finish(t, tries)
			if a := d.number(t, "a"); a != want {
				t.Errorf("a is %d, not %d", a, want)
			}
		})
	}
}

// A call whose keys always change is planned while others wait, after some tries; one that
// depends on the number of keys after one.
func TestACallWhoseKeysAlwaysChangeIsCarriedOut(t *testing.T) {
	d := opened(t, storeName(t), apartAlways)
	call := plan(d, "a", "c")
	for range apartTries {
		within(t, call.reads)
		if _, err := d.incr("a"); err != nil {
			t.Fatal(err)
		}
		call.goOn <- struct{}{}
	}
	within(t, call.reads)
	call.finish(t, apartTries+1)
	if a := d.number(t, "a"); a != apartTries+1 {
		t.Errorf("a is %d", a)
	}
	tries, live := 0, int64(0)
	err := d.WriteMany(t.Context(), 1, func(p *Plan) (err error) {
		if tries++; tries > 2 {
			return fmt.Errorf("planned %d times", tries)
		}
		if err = increment(p, []string{"a"}, func() {}); err == nil {
			live, err = p.Live()
		}
		if tries == 1 && err == nil {
			err = d.set("another", 1)
		}
		return err
	})
	if err != nil || tries != 2 || live != 3 {
		t.Errorf("%v; planned %d times, with %d keys", err, tries, live)
	}
}

// A plan that was found to be wrong stays wrong, also if it had to be compared with more than is
// kept.
func TestAWrongPlanStaysWrong(t *testing.T) {
	d := opened(t, storeName(t), apartAlways)
	begin := func() *Plan {
		p, err := d.beginApart(t.Context())
		if err == nil {
			err = increment(p, []string{"a"}, func() {})
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	right := func(p *Plan) bool {
		l, err := d.lockPlanner(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer l.unlock()
		return l.stillRight(p)
	}
	p := begin()
	defer d.endApart(p)
	if _, err := d.incr("b"); err != nil || !right(p) {
		t.Fatalf("%v, or another key makes it wrong", err)
	}
	if _, err := d.incr("a"); err != nil || right(p) || right(p) {
		t.Fatalf("%v, or it is right", err)
	}
	p = begin()
	defer d.endApart(p)
	value := strings.Repeat("v", 32<<20)
	for range 3 {
		if err := d.set("b", value); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.apart.plans); n > 0 || right(p) {
		t.Errorf("%d large calls are kept, or it is right", n)
	}
}

// touch compares any keys with any changes, in whatever order those are.
func TestKeysAreComparedWithChanges(t *testing.T) {
	r := kvtest.Rand(t)
	some := func(n int) (list []Change) {
		for range r.IntN(n) {
			list = append(list, Change{Key: fmt.Sprint(r.IntN(2000))})
		}
		return list
	}
	shared := 0
	for range 2000 {
		keys, changes := some(1+r.IntN(100)), some(1+r.IntN(100))
		if r.IntN(2) == 0 {
			slices.SortFunc(changes, compareKeys)
		}
		want := slices.ContainsFunc(keys, func(k Change) bool {
			return slices.ContainsFunc(changes, func(c Change) bool { return c.Key == k.Key })
		})
		a := apart{read: keys}
		if a.sort(); touch(a.read, changes) != want {
			t.Fatalf("touch(%v, %v) is %v", keys, changes, !want)
		}
		if want {
			shared++
		}
	}
	if shared == 0 || shared == 2000 {
		t.Errorf("%d of 2,000 had keys in common", shared)
	}
}

// Calls on many keys and on few, beside each other, lose no increment, in the memtables, the
// file, and after a crash.
func TestCallsThatArePlannedApartLoseNothing(t *testing.T) {
	small := parts(Parts{ApartKeys: 1, TableBytes: 1, LargeLogs: true, Transaction: 1})
	for name, more := range map[string]option{"durable": func(*Options) {}, "interval": interval(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			d := opened(t, storeName(t), logBytes(16<<10), small, more)
			var calls sync.WaitGroup
			const callers, times, all = 6, 40, 12
			var counts [callers][all]int
			for c := range callers {
				calls.Go(func() {
					for i := range times {
						var keys []string
						for k := range all {
							if k == 0 || (k*7+c+i)%3 > 0 {
								keys = append(keys, fmt.Sprintf("%02d", k))
							}
							if c%2 == 0 {
								break
							}
						}
						err := d.WriteMany(context.Background(), len(keys), func(p *Plan) error { return increment(p, keys, func() {}) })
						if err != nil {
							t.Error(err)
							return
						}
						for _, key := range keys {
							k := 0
							fmt.Sscanf(key, "%02d", &k)
							counts[c][k]++
						}
						if _, err := d.Len(d.opts.Now()); err != nil {
							t.Error(err)
						}
					}
				})
			}
			calls.Wait()
			for k := range all {
				want := 0
				for c := range callers {
					want += counts[c][k]
				}
				if n := d.number(t, fmt.Sprintf("%02d", k)); n != want {
					t.Errorf("key %d: %d increments of %d", k, n, want)
				}
			}
			if n, err := d.Len(d.opts.Now()); err != nil || n != all {
				t.Errorf("%d keys of %d: %v", n, all, err)
			}
		})
	}
}

// Only some calls are planned apart at once, because each is compared with all others. The rest is
// carried out as calls on few keys are; and a call whose record was appended counts no longer.
func TestOnlySomeCallsArePlannedApartAtOnce(t *testing.T) {
	d := opened(t, storeName(t), apartAlways)
	var calls []*planned
	for i := range maxApart {
		c := plan(d, fmt.Sprint("apart", i))
		within(t, c.reads)
		calls = append(calls, c)
	}
	tries := 0
	err := d.WriteMany(t.Context(), 1, func(p *Plan) error {
		if tries++; p.apart != nil {
			t.Error("one more call is planned apart")
		}
		return increment(p, []string{"a"}, func() {})
	})
	if err != nil || tries != 1 || d.number(t, "a") != 1 {
		t.Errorf("%v; planned %d times", err, tries)
	}
	for _, c := range calls {
		c.finish(t, 1)
	}
	p, err := d.beginApart(t.Context())
	if err == nil {
		err = increment(p, []string{"a"}, func() {})
	}
	if err != nil {
		t.Fatal(err)
	}
	if p, err = d.planAndAppend(t.Context(), p, nil); err != nil || p.end == 0 || len(d.planner.apart) > 0 {
		t.Errorf("%v; %d calls are compared", err, len(d.planner.apart))
	}
	if err := d.acknowledge(t.Context(), p, nil); err != nil || d.number(t, "a") != 2 {
		t.Error(err)
	}
}
