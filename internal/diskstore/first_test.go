package diskstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// popFirst removes the first key of a range, and returns it and the rest of the range.
func popFirst(t *testing.T, s *Store, r Range) (key string, left Range) {
	t.Helper()
	err := s.Write(t.Context(), func(p *Plan) error {
		first, err := p.First(r)
		if err != nil {
			return err
		}
		left = s.planner.frontiers.of(r).left
		if key = first.Key; key == "" {
			return errEmpty
		}
		return p.Make([]Change{{Key: first.Key, Was: first.State, Changed: true}})
	})
	if err != nil && err != errEmpty {
		t.Fatal(err)
	}
	return key, left
}

var errEmpty = errors.New("empty")

// The frontier of a range follows the keys that are removed, and goes back for each that is
// stored in front of it, whichever way that takes: the log or the file.
func TestTheFrontierOfARangeFollowsItsFirstKey(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		s := openWithOptions(t, filepath.Join(t.TempDir(), "kv.db"), Options{Options: boltfile.Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, LogBytes: 1})
		defer s.Close()
		key := func(i int) string {
			if reverse {
				i = 999 - i
			}
			return fmt.Sprintf("q:%03d", i)
		}
		value := "v"
		put := func(keys ...string) {
			t.Helper()
			err := s.Write(t.Context(), func(p *Plan) error {
				changes := make([]Change, len(keys))
				for i := range keys {
					changes[i].Key = keys[i]
				}
				if err := p.Read(changes, false, nil); err != nil {
					return err
				}
				for i := range changes {
					changes[i].Next, changes[i].Changed = boltfile.State{Exists: true, Value: value}, true
				}
				return p.Make(changes)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		r := Range{From: "q:", To: "q;", Reverse: reverse}
		for i := range 50 {
			put(key(100 + i))
		}
		value = strings.Repeat("x", 1<<20)
		put("other") // after a checkpoint: what is only in memory leaves nothing to pass over
		value = "v"
		for i := range 50 {
			got, left := popFirst(t, s, r)
			if got != key(100+i) {
				t.Fatalf("the first key is %q, want %q", got, key(100+i))
			}
			if i > 1 && left.contains(key(100+i-2)) {
				t.Fatalf("after %s is removed, %s is still visited: %+v", key(100+i-1), key(100+i-2), left)
			}
		}
		if got, _ := popFirst(t, s, r); got != "" {
			t.Fatalf("an empty range has %q", got)
		}
		put("other", "q;", "q9")
		put(key(120))
		put(key(110), key(130))
		for _, want := range []string{key(110), key(120), key(130), ""} {
			if got, _ := popFirst(t, s, r); got != want {
				t.Fatalf("the first key is %q, want %q", got, want)
			}
		}
		commits := s.Commits()
		value = strings.Repeat("x", 1<<20) // too large for the log
		put(key(115))
		if s.Commits() == commits {
			t.Error("the large value went into the log: this shows nothing")
		}
		if got, _ := popFirst(t, s, r); got != key(115) {
			t.Fatalf("after a large write the first key is %q, want %q", got, key(115))
		}
		value = "v"
		// Other ranges push it out, and it starts again.
		put(key(105))
		for i := range 3 * maxFrontiers {
			popFirst(t, s, Range{From: fmt.Sprint("r", i), To: fmt.Sprint("r", i, "x"), Reverse: reverse})
		}
		if n := len(s.planner.frontiers.ranges); n > maxFrontiers {
			t.Errorf("%d frontiers are kept", n)
		}
		if got, _ := popFirst(t, s, r); got != key(105) {
			t.Errorf("after other ranges the first key is %q", got)
		}
	}
}

// The first key is right whichever memtables have the keys, and whether the calls that changed
// them are visible or not: here the log is not synced before the end.
func TestTheFirstKeyIsRightAmongLargeCalls(t *testing.T) {
	for round := range uint64(kvtest.Sized(4, 20, 200)) {
		random := kvtest.Rand(t, round)
		hold, released := make(chan struct{}), false
		var holds atomic.Bool
		slow := func(act access.Act, _ string) error {
			if act == access.ActSyncLog && holds.Load() {
				<-hold
			}
			return nil
		}
		opts := []option{parts(Parts{ApartKeys: 2, TableBytes: 1}), logBytes(1 << 20), hook(slow)}
		visible := random.IntN(2) == 0
		if visible {
			opts = append(opts, interval(time.Hour))
		}
		d := mustOpen(t, storeName(t), opts...)
		if err := d.set("k00", 0); err != nil { // makes the log
			t.Fatal(err)
		}
		holds.Store(true)
		var writing sync.WaitGroup
		model := map[string]bool{"k00": true}
		ranges := []Range{{}, {Reverse: true}, {From: "k3", To: "k7"}, {From: "k3", To: "k7", Reverse: true}, {From: "k5"}, {To: "k5", Reverse: true}}
		for step := range 60 {
			changes := map[string]bool{}
			for range 1 + random.IntN(6) {
				changes[fmt.Sprintf("k%d%d", random.IntN(10), random.IntN(4))] = random.IntN(3) > 0
			}
			writes := d.planner.writesNow()
			writing.Go(func() {
				err := d.WriteMany(context.Background(), len(changes), func(p *Plan) error {
					var list []Change
					for _, key := range slices.Sorted(maps.Keys(changes)) {
						list = append(list, Change{Key: key})
					}
					err := p.Read(list, false, nil)
					for i := range list {
						if list[i].Changed = true; changes[list[i].Key] {
							list[i].Next = stateFor(step)
						} else {
							list[i].Next = boltfile.State{}
						}
					}
					return cmp.Or(err, p.Make(list))
				})
				if err != nil {
					t.Error(err)
				}
			})
			for d.planner.writesNow() == writes && !t.Failed() {
				runtime.Gosched()
			}
			for key, live := range changes {
				if delete(model, key); live {
					model[key] = true
				}
			}
			r := ranges[random.IntN(len(ranges))]
			want := slices.DeleteFunc(slices.Sorted(maps.Keys(model)), func(key string) bool { return !r.contains(key) })
			if r.Reverse {
				slices.Reverse(want)
			}
			want = append(want, "")
			l, err := d.lockPlanner(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var first First
			_, err = l.plan(func(p *Plan) (err error) { first, err = p.First(r); return err })
			l.unlock()
			if err != nil || first.Key != want[0] {
				t.Fatalf("step %d, visible %v: the first key of %+v is %q, not %q: %v", step, visible, r, first.Key, want[0], err)
			}
			if !released && random.IntN(30) == 0 {
				released = true
				close(hold)
			}
		}
		if !released {
			close(hold)
		}
		writing.Wait()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// writesNow returns how many calls have changed something.
func (p *planner) writesNow() (n uint64) {
	p.pause(func() { n = p.writes })
	return n
}
