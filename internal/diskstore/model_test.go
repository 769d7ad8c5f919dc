package diskstore

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// At any moment, after checkpoints that are cut into parts, crashes, and in copies, a store
// has the content of the model.
func TestRandomCallsDoWhatTheModelSays(t *testing.T) {
	for round := range uint64(kvtest.Sized(4, 12, 100)) {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			random := kvtest.Rand(t, round)
			parts := Parts{Transaction: []int64{1, 50_000, 0}[random.IntN(3)], Memtable: []int64{0, 5000}[random.IntN(2)], LargeLogs: random.IntN(2) == 0, ApartKeys: random.IntN(3), TableBytes: random.Int64N(2), Segment: []int64{0, 1, 3000}[random.IntN(3)]}
			now := time.Now()
			var reading atomic.Pointer[time.Time] // now, for the store
			began := now
			reading.Store(&began)
			clock := func(o *Options) { o.Now = func() time.Time { return *reading.Load() } }
			var commits acts
			opts := []option{hook(commits.hook), logBytes(1 << random.IntN(18)), clock, func(o *Options) { o.Parts, o.Logger = parts, slog.New(slog.DiscardHandler) }}
			if random.IntN(2) == 0 {
				opts = append(opts, interval(time.Hour))
			}
			path := storeName(t)
			d := mustOpen(t, path, opts...)
			model := map[string]boltfile.State{} // with expired keys, as the file has them
			key := func() string { return fmt.Sprintf("%c%03d", 'a'+rune(random.IntN(3)), random.IntN(200)) }
			for step := range 300 {
				var changes []Change
				switch n := random.IntN(20); {
				case n < 9:
					changes = []Change{{Key: key()}}
				case n < 14:
					for k := range maps.Keys(map[string]bool{key(): true, key(): true, key(): true, key(): true}) {
						changes = append(changes, Change{Key: k})
					}
					slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Key, b.Key) })
				case n == 14 && random.IntN(3) == 0:
					if err := d.clear(); err != nil {
						t.Fatal(err)
					}
					clear(model)
				case n == 15:
					w, err := d.lockFile(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					fails := random.IntN(3) == 0 && d.logFile.Load() != nil
					if fails {
						commits.failing(access.ActCommit, random.IntN(3))
					}
					err = w.checkpoint(false)
					commits.failing("")
					if w.unlock(); err != nil && !fails {
						t.Fatal(err)
					}
				case n == 16:
					later := now.Add(time.Duration(random.IntN(20)) * time.Second)
					now = later
					reading.Store(&later)
				case n == 17:
					removed, next, err := d.RemoveExpired(t.Context(), now, 1+random.IntN(50))
					if err != nil {
						t.Fatal(err)
					}
					was := len(model)
					if next != 0 {
						maps.DeleteFunc(model, func(_ string, s boltfile.State) bool { return !s.Live(now.UnixNano()) })
						if int64(was-len(model)) != removed {
							t.Fatalf("step %d: %d keys were swept, not %d", step, removed, was-len(model))
						}
					} else {
						model = d.all(t)
					}
				case n == 18 && random.IntN(3) == 0:
					if err := d.Compact(t.Context()); err != nil {
						t.Fatal(err)
					}
				case n == 19 && random.IntN(3) == 0:
					to := storeName(t)
					if random.IntN(2) == 0 && d.logFile.Load() != nil { // then the copy gets the memtables
						commits.failing(access.ActCommit)
					}
					err := d.backup(to)
					commits.failing("")
					if err != nil {
						t.Fatal(err)
					}
					if random.IntN(2) == 0 && d.logFile.Load() != nil {
						to = storeName(t)
						w, err := d.lockFile(t.Context()) // no checkpoint meanwhile
						if err != nil {
							t.Fatal(err)
						}
						copyCrashed(t, path, to)
						w.unlock()
					}
					if err := d.Close(); err != nil {
						t.Fatal(err)
					}
					path, d = to, mustOpen(t, to, opts...)
				}
				if changes != nil {
					before, growth := liveOf(model, now), int64(0)
					err := d.WriteMany(context.Background(), len(changes), func(p *Plan) error {
						if err := p.Read(changes, random.IntN(2) == 0, nil); err != nil {
							return err
						}
						for i := range changes {
							c := &changes[i]
							if c.Was.Exists != model[c.Key].Exists || c.Was.Deadline != model[c.Key].Deadline {
								return fmt.Errorf("%s is %+v, not %+v", c.Key, c.Was, model[c.Key])
							}
							if c.Changed = random.IntN(5) > 0; !c.Changed {
								continue
							}
							if c.Next = (boltfile.State{}); random.IntN(4) > 0 {
								c.Next = boltfile.State{Exists: true, Value: strings.Repeat("v", 1+random.IntN(1<<random.IntN(13)))}
								if random.IntN(2) == 0 {
									c.Next.Deadline = now.Add(time.Duration(random.IntN(60)) * time.Second).UnixNano()
								}
							}
						}
						if err := p.Make(changes); err != nil {
							return err
						}
						live, err := p.Live()
						if want := liveOf(model, now); err == nil && live != want {
							return fmt.Errorf("there are %d live keys, not %d", live, want)
						}
						growth = p.Growth()
						return err
					})
					if err != nil {
						t.Fatalf("step %d: %v", step, err)
					}
					for _, c := range changes {
						switch {
						case !c.Changed:
						case c.Next.Exists:
							model[c.Key] = c.Next
						default:
							delete(model, c.Key)
						}
					}
					if n := liveOf(model, now) - before; n != growth {
						t.Fatalf("step %d: the changes add %d live keys, not %d", step, n, growth)
					}
				}
				d.agrees(t, step, model, now)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d = mustOpen(t, path, append(opts, readOnly())...)
			d.agrees(t, -1, model, now)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// states returns the states of a range, expired or not, and their keys as Scan visits them.
func (d db) states(t testing.TB, r Range) (states map[string]boltfile.State, keys []string) {
	t.Helper()
	states = map[string]boltfile.State{}
	last := ""
	err := d.View(d.opts.Now(), func(v *View) error {
		return v.Scan(r, true, func(key string, value []byte, deadline int64, exists bool) (bool, error) {
			if last != "" && (key <= last) != r.Reverse || key == last {
				return false, fmt.Errorf("%q comes after %q", key, last)
			}
			if last = key; exists {
				states[key] = boltfile.State{Exists: true, Deadline: deadline, Value: string(value)}
				keys = append(keys, key)
			}
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return states, keys
}

// all returns all states, expired or not.
func (d db) all(t testing.TB) map[string]boltfile.State {
	t.Helper()
	all, _ := d.states(t, Range{})
	return all
}

func liveOf(model map[string]boltfile.State, now time.Time) (n int64) {
	for _, s := range model {
		if s.Live(now.UnixNano()) {
			n++
		}
	}
	return n
}

// agrees fails if the content of the store differs from the model.
func (d db) agrees(t testing.TB, step int, model map[string]boltfile.State, now time.Time) {
	t.Helper()
	if all := d.all(t); !maps.Equal(all, model) {
		t.Fatalf("step %d: %d keys, not %d", step, len(all), len(model))
	}
	limit := func(i int) string {
		if i = (i + 900) % 900; i >= 600 {
			return ""
		}
		return fmt.Sprintf("%c%03d", 'a'+i/200, i%200)
	}
	for _, r := range []Range{{Reverse: true}, {From: limit(step * 13), To: limit(step * 29)}, {From: limit(step * 17), To: limit(step * 31), Reverse: true}} {
		_, keys := d.states(t, r)
		var want []string
		for key := range model {
			if key >= r.From && (r.To == "" || key < r.To) {
				want = append(want, key)
			}
		}
		slices.Sort(want)
		if r.Reverse {
			slices.Reverse(want)
		}
		if !slices.Equal(keys, want) {
			t.Fatalf("step %d: %+v has %d keys, not %d", step, r, len(keys), len(want))
		}
	}
	for _, at := range []time.Time{now, now.Add(-20 * time.Second), now} { // a clock can be set back
		live := liveOf(model, at)
		if n, err := d.Len(at); n != live || err != nil {
			t.Fatalf("step %d: %d live keys, not %d: %v", step, n, live, err)
		}
	}
	for i := range 3 {
		key := fmt.Sprintf("a%03d", (step*7+i*31+200)%200)
		s, err := d.Load(now, key, true)
		if err == nil && s == model[key] {
			err = d.View(now, func(v *View) (err error) { s, err = v.State(key, true); return err })
		}
		if s != model[key] || err != nil {
			t.Fatalf("step %d: %s is %+v, not %+v: %v", step, key, s, model[key], err)
		}
	}
}
