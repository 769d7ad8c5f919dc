package extlibs_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// values is what functions of UpdateMany get and return.
type values = map[string]any

func TestUpdateManyGivesEachKeyWhatTheFunctionReturns(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		for name, h := range map[string]*extlibs.Handle{"store": h, "view": h.Sub("v:")} {
			must(t, h.SetMany(ctx, values{"kept": 1, "changed": "a", "removed": []any{1}, "other": 5}, time.Hour))
			got, err := h.UpdateMany(ctx, []string{"kept", "changed", "removed", "new", "absent", "kept"}, func(v values) (values, error) {
				if len(v) != 3 || v["kept"] != int64(1) || v["changed"] != "a" || !slices.Equal(v["removed"].([]any), []any{int64(1)}) {
					t.Errorf("%s: the function got %v", name, v)
				}
				return values{"kept": v["kept"], "changed": "b", "new": nil}, nil
			})
			if err != nil || !maps.Equal(got, values{"kept": int64(1), "changed": "b", "new": nil}) {
				t.Errorf("%s: UpdateMany returned %v, %v", name, got, err)
			}
			all, err := h.GetMany(ctx, []string{"kept", "changed", "removed", "new", "absent", "other"})
			if err != nil || !maps.Equal(all, values{"kept": int64(1), "changed": "b", "new": nil, "other": int64(5)}) {
				t.Errorf("%s: the store holds %v, %v", name, all, err)
			}
			for key, want := range map[string]time.Duration{"kept": time.Hour, "changed": time.Hour, "new": 0} {
				if left, err := h.TTL(ctx, key); err != nil || left > want || left < want-time.Minute || (left == 0) != (want == 0) {
					t.Errorf("%s: %s has %v left (%v), want %v", name, key, left, err, want)
				}
			}
		}
	})
}

func TestAFailedUpdateManyChangesNothing(t *testing.T) {
	mine := errors.New("mine")
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t, extlibs.MaxOperationBytes(1<<20), extlibs.MaxValueBytes(1<<18))
		must(t, h.SetMany(ctx, values{"a": 1, "b": 2}, 0))
		before := contents(t, h)
		many := make([]string, 10_000)
		for i := range many {
			many[i] = fmt.Sprint("absent", i)
		}
		big := strings.Repeat("x", 1<<18-10)
		for name, tt := range map[string]struct {
			keys []string
			fn   func(values) (values, error)
			want error
			text string
		}{
			"an error of fn":        {[]string{"a", "b"}, func(values) (values, error) { return nil, mine }, mine, "mine"},
			"an error and a map":    {[]string{"a", "b"}, func(values) (values, error) { return values{"a": 5}, mine }, mine, "mine"},
			"a conflict of fn":      {[]string{"a", "b"}, func(values) (values, error) { return nil, extlibs.ErrConflict }, extlibs.ErrConflict, ""},
			"a nil map":             {[]string{"a", "b"}, func(values) (values, error) { return nil, nil }, extlibs.ErrInvalid, "fn returned a nil map"},
			"a foreign key":         {[]string{"a", "b"}, func(values) (values, error) { return values{"a": 5, "c": 1}, nil }, extlibs.ErrInvalid, `the key "c", which is not one of keys`},
			"a foreign key more":    {[]string{"a"}, func(values) (values, error) { return values{"a": 5, "c": 1, "": 2}, nil }, extlibs.ErrInvalid, `the key "", which is not one of keys`},
			"a wrong type":          {[]string{"a", "b"}, func(values) (values, error) { return values{"a": 5, "b": make(chan int)}, nil }, extlibs.ErrType, `value["b"]`},
			"a large value":         {[]string{"a", "b"}, func(values) (values, error) { return values{"a": 5, "b": big + big}, nil }, extlibs.ErrTooLarge, "kv.update_many: "},
			"large values":          {[]string{"a", "b", "c", "d", "e"}, func(values) (values, error) { return values{"a": big, "b": big, "c": big, "d": big, "e": big}, nil }, extlibs.ErrTooLarge, "MaxOperationBytes"},
			"too many keys":         {many, func(values) (values, error) { return values{}, nil }, extlibs.ErrTooLarge, "MaxOperationBytes"},
			"an invalid key":        {[]string{"a", ""}, func(values) (values, error) { t.Error("fn runs"); return values{}, nil }, extlibs.ErrInvalid, "key is empty"},
			"a key of invalid text": {[]string{"a", "\xff"}, func(values) (values, error) { t.Error("fn runs"); return values{}, nil }, extlibs.ErrInvalid, "not valid UTF-8"},
		} {
			got, err := h.UpdateMany(ctx, tt.keys, tt.fn)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || got != nil {
				t.Errorf("%s: %v, %v", name, got, err)
			}
			if tt.want == mine && err != mine {
				t.Errorf("%s: the error is %v, not the function's", name, err)
			}
		}
		if after := contents(t, h); after != before {
			t.Errorf("the store was\n%s\nand is\n%s", before, after)
		}
		if got, err := h.UpdateMany(ctx, nil, func(v values) (values, error) { return v, nil }); err != nil || len(got) != 0 {
			t.Errorf("no keys: %v, %v", got, err)
		}
	})
}

// What fn leaves alone is checked as well: here fn itself changes it, once.
func TestUpdateManyRunsAgainIfAnyOfItsKeysChanged(t *testing.T) {
	changes := map[string]func(h *extlibs.Handle) error{
		"a key that it leaves alone": func(h *extlibs.Handle) error { return h.Set(ctx, "left", "new", 0) },
		"a key that it changes":      func(h *extlibs.Handle) error { return h.Set(ctx, "changed", "new", 0) },
		"a key that it removes":      func(h *extlibs.Handle) error { return h.Set(ctx, "removed", "new", 0) },
		"an absent key that appears": func(h *extlibs.Handle) error { return h.Set(ctx, "absent", "new", 0) },
		"a new key that appears":     func(h *extlibs.Handle) error { return h.Set(ctx, "new", "new", 0) },
		"a key that is gone":         func(h *extlibs.Handle) error { _, err := h.Delete(ctx, "left"); return err },
		"a clear":                    func(h *extlibs.Handle) error { return h.Clear(ctx) },
		"a nested call": func(h *extlibs.Handle) error {
			_, err := h.UpdateMany(ctx, []string{"left"}, func(v values) (values, error) { return values{}, nil })
			return err
		},
		"nothing":              nil,
		"another key":          func(h *extlibs.Handle) error { return h.Set(ctx, "other", "new", 0) },
		"the same value again": func(h *extlibs.Handle) error { return h.Set(ctx, "left", 1, 0) },
	}
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		for name, change := range changes {
			must(t, h.Clear(ctx))
			must(t, h.SetMany(ctx, values{"left": 1, "changed": 2, "removed": 3}, 0))
			runs := 0
			_, err := h.UpdateMany(ctx, []string{"left", "changed", "removed", "absent", "new"}, func(v values) (values, error) {
				if runs++; runs == 1 && change != nil {
					if err := change(h); err != nil {
						return nil, err
					}
				}
				next := values{"changed": fmt.Sprint(v["changed"], " changed"), "new": runs}
				if left, ok := v["left"]; ok {
					next["left"] = left
				}
				if absent, ok := v["absent"]; ok {
					next["absent"] = absent
				}
				return next, nil
			})
			want := 2
			if name == "nothing" || name == "another key" || name == "the same value again" {
				want = 1
			}
			if runs != want || err != nil {
				t.Errorf("%s: %d runs, %v", name, runs, err)
			}
			if n, err := h.Get(ctx, "new"); n != int64(want) || err != nil {
				t.Errorf("%s: the last run stored %v (%v), want %d", name, n, err, want)
			}
		}
	})
}

func TestUpdateManyGivesUpIfItsFunctionWritesItsKeys(t *testing.T) {
	h := backends[0].open(t)
	runs := 0
	_, err := h.UpdateMany(ctx, []string{"a", "b"}, func(v values) (values, error) {
		runs++
		_, err := h.Incr(ctx, "b", 1, 0)
		return values{"a": 1}, err
	})
	if !errors.Is(err, extlibs.ErrConflict) || runs != 200 || !strings.Contains(err.Error(), "during each of 200 runs") {
		t.Errorf("after %d runs: %v", runs, err)
	}
	if has(t, h, "a") {
		t.Error("a is stored")
	}
}

// Money neither appears nor disappears, while callers move it, delete empty accounts, and add
// all of it up.
func TestTransfersThroughUpdateManyKeepTheSum(t *testing.T) {
	t.Parallel()
	const accounts, sum, workers = 6, 1200, 6
	keys := make([]string, accounts)
	for i := range keys {
		keys[i] = fmt.Sprint("account", i)
	}
	total := func(v values) (n int64) {
		for _, amount := range v {
			n += amount.(int64)
		}
		return n
	}
	forEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		p, h := scripted(t, b)
		must(t, h.Set(ctx, keys[0], sum, 0))
		eval(t, p, `
def transfer(source, target, amount):
    def move(values):
        n = min(values.get(source, 0), amount)
        if source == target or n == 0:
            return values
        values[source] = values[source] - n
        values[target] = values.get(target, 0) + n
        if values[source] == 0:
            values.pop(source)
        return values
    store.update_many([source, target], move)
`)
		var stop atomic.Bool
		var readers, writers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				for !stop.Load() {
					if v, err := h.GetMany(ctx, keys); err != nil || total(v) != sum {
						t.Errorf("GetMany found %v, together %d (%v), want %d", v, total(v), err, sum)
						return
					}
				}
			})
		}
		each := kvtest.Sized(40, 200, 2000)
		for worker := range workers {
			writers.Go(func() {
				r := kvtest.Rand(t, uint64(worker))
				for range each {
					from, to, amount := keys[r.IntN(accounts)], keys[r.IntN(accounts)], r.Int64N(500)
					var err error
					if worker%3 == 0 {
						_, err = p.CallFunction("transfer", from, to, amount)
					} else {
						_, err = h.UpdateMany(ctx, []string{from, to}, func(v values) (values, error) {
							source, _ := v[from].(int64)
							n := min(source, amount)
							if from == to || n == 0 {
								return v, nil
							}
							target, _ := v[to].(int64)
							v[from], v[to] = source-n, target+n
							if source == n {
								delete(v, from)
							}
							return v, nil
						})
					}
					if err != nil {
						t.Errorf("a transfer: %v", err)
						return
					}
				}
			})
		}
		writers.Wait()
		stop.Store(true)
		readers.Wait()
		if v, err := h.GetMany(ctx, keys); err != nil || total(v) != sum {
			t.Errorf("in the end there are %v, together %d (%v), want %d", v, total(v), err, sum)
		}
	})
}

// A slow function of UpdateMany loses against quick updates of one of its keys each time,
// unless it gets its turn.
func TestEachUpdateManyGetsItsTurn(t *testing.T) {
	t.Parallel()
	for _, b := range backends[:2] {
		t.Run(b.name, func(t *testing.T) {
			h := b.open(t)
			var stop atomic.Bool
			var quick, slow sync.WaitGroup
			for i := range 3 {
				quick.Go(func() { hurried(t, h, fmt.Sprint("n", i%2), &stop) })
			}
			var runs [6]int
			for i := range runs {
				keys := []string{"n1", fmt.Sprint("own", i), "n0"}
				slow.Go(func() {
					_, err := h.UpdateMany(ctx, keys, func(v values) (values, error) {
						runs[i]++
						for end := time.Now().Add(2 * time.Millisecond); time.Now().Before(end); {
						}
						n, _ := v["n0"].(int64)
						v["n0"], v["own"+fmt.Sprint(i)] = n+1, n
						return v, nil
					})
					if err != nil {
						t.Errorf("a slow update_many: %v", err)
					}
				})
			}
			slow.Wait()
			stop.Store(true)
			quick.Wait()
			if n := slices.Max(runs[:]); n > 60 {
				t.Errorf("the slow ones took %v runs", runs)
			}
		})
	}
}

// Updates of keys in common, in any order and number, wait for each other without end
// nowhere, and all succeed.
func TestManyUpdatesOfKeysInCommonAllSucceed(t *testing.T) {
	t.Parallel()
	for _, b := range backends[:2] {
		t.Run(b.name, func(t *testing.T) {
			h := b.open(t)
			const workers, each, keys = 24, 15, 4
			var all sync.WaitGroup
			var want atomic.Int64
			for worker := range workers {
				r := kvtest.Rand(t, uint64(worker))
				all.Go(func() {
					for range each {
						var names []string
						for range 1 + r.IntN(keys+1) {
							names = append(names, fmt.Sprint("k", r.IntN(keys)))
						}
						_, err := h.UpdateMany(ctx, names, func(v values) (values, error) {
							for _, name := range names {
								n, _ := v[name].(int64)
								v[name] = n + 1
							}
							return v, nil
						})
						if err != nil {
							t.Errorf("worker %d: %v", worker, err)
							return
						}
						want.Add(int64(len(names)))
					}
				})
			}
			kvtest.Within(t, 120*time.Second, all.Wait)
			total := int64(0)
			for item, err := range h.All(ctx, extlibs.ListOptions{}) {
				must(t, err)
				total += item.Value.(int64)
			}
			if total != want.Load() {
				t.Errorf("%d was added, the keys hold %d", want.Load(), total)
			}
		})
	}
}

func TestUpdateManyEndsWithItsContextAndItsStore(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		must(t, h.SetMany(ctx, values{"a": 1, "b": 2}, 0))
		cancelled, cancel := context.WithCancel(ctx)
		_, err := h.UpdateMany(cancelled, []string{"a", "b"}, func(v values) (values, error) {
			cancel()
			_, err := h.Incr(ctx, "a", 1, 0) // so that it would run again
			return values{}, err
		})
		if !errors.Is(err, context.Canceled) && !errors.Is(err, extlibs.ErrConflict) {
			t.Errorf("with a context that ends in the function: %v", err)
		}
		if !has(t, h, "b") {
			t.Error("b is gone")
		}
		_, err = h.UpdateMany(ctx, []string{"a", "b"}, func(v values) (values, error) {
			return v, h.Close()
		})
		if !errors.Is(err, extlibs.ErrClosed) {
			t.Errorf("with a store that is closed in the function: %v", err)
		}
	})
}
