package extlibs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

func TestPopFirstTakesTheFirstKeyOfAPattern(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		whole := b.open(t)
		for name, h := range map[string]*extlibs.Handle{"store": whole, "view": whole.Sub("v:"), "view of a view": whole.Sub("w:").Sub("x:")} {
			must(t, h.SetMany(ctx, values{"job:1": 1, "job:2:done": 2, "job:3": 3, "job:4:done": []any{4}, "job:": 0, "zebra": "z"}, time.Hour))
			if h != whole { // what is outside of a view
				must(t, whole.SetMany(ctx, values{"a": 1, "v:": 1, "w:x:": 1, "zz": 1}, 0))
			}
			for _, tt := range []struct {
				o    extlibs.PopOptions
				want string
			}{
				{extlibs.PopOptions{Pattern: "*:done"}, "job:2:done"},
				{extlibs.PopOptions{Pattern: "*:done", Reverse: true}, "job:4:done"},
				{extlibs.PopOptions{Pattern: "*:done"}, ""},
				{extlibs.PopOptions{Pattern: "job:?*", Prefix: "job:3"}, "job:3"},
				{extlibs.PopOptions{Pattern: "job:1"}, "job:1"},
				{extlibs.PopOptions{Pattern: "job:1"}, ""},
				{extlibs.PopOptions{Prefix: "job:*"}, ""},
				{extlibs.PopOptions{Pattern: "a*", Prefix: "job:"}, ""},
				{extlibs.PopOptions{Reverse: true}, "zebra"},
				{extlibs.PopOptions{Pattern: "job*"}, "job:"},
				{extlibs.PopOptions{}, ""},
				{extlibs.PopOptions{Reverse: true}, ""},
			} {
				if name == "store" && tt.want == "" && tt.o.Pattern == "" && tt.o.Prefix == "" {
					continue // keys of the views are left
				}
				item, err := h.PopFirst(ctx, tt.o)
				if tt.want == "" {
					if !errors.Is(err, extlibs.ErrNotFound) || !strings.HasPrefix(err.Error(), "kv.pop_first: store ") {
						t.Errorf("%s: PopFirst(%+v) is %v, %v", name, tt.o, item, err)
					}
					continue
				}
				if err != nil || item.Key != tt.want || item.TTL <= 0 || item.TTL > time.Hour || has(t, h, tt.want) {
					t.Errorf("%s: PopFirst(%+v) is %v, %v; want %s", name, tt.o, item, err, tt.want)
				}
			}
			must(t, whole.Clear(ctx))
		}
		if _, err := whole.PopFirst(ctx, extlibs.PopOptions{Pattern: "["}); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("an invalid pattern: %v", err)
		}
		if _, err := whole.Sub("\xff").PopFirst(ctx, extlibs.PopOptions{}); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("an invalid view: %v", err)
		}
		must(t, whole.Set(ctx, "k", 1, 0))
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		for _, o := range []extlibs.PopOptions{{}, {Pattern: "*k"}, {Pattern: "k"}} {
			if _, err := whole.PopFirst(cancelled, o); !errors.Is(err, context.Canceled) {
				t.Errorf("PopFirst(%+v) with a context that has ended: %v", o, err)
			}
		}
		before := statsOf(t, whole).Deletes
		if _, err := whole.PopFirst(ctx, extlibs.PopOptions{}); err != nil || statsOf(t, whole).Deletes != before+1 {
			t.Errorf("%d deletes are counted, were %d (%v)", statsOf(t, whole).Deletes, before, err)
		}
		must(t, whole.Close())
		for _, o := range []extlibs.PopOptions{{}, {Pattern: "*k"}} {
			if _, err := whole.PopFirst(ctx, o); !errors.Is(err, extlibs.ErrClosed) {
				t.Errorf("PopFirst(%+v) of a closed store: %v", o, err)
			}
		}
	})
}

// plainStore has none of the capabilities of the store below.
type plainStore struct{ extlibs.Store }

func init() {
	extlibs.RegisterDriver("plain", func(context.Context, extlibs.OpenConfig) (extlibs.Store, error) {
		return plainStore{extlibs.NewRegistry().Default().Store()}, nil
	})
}

// Hundreds of workers take different keys, and all of them, whatever the pattern and the
// backend; a worker never has to try much more often than once.
func TestWorkersOfPopFirstTakeDifferentKeys(t *testing.T) {
	t.Parallel()
	kinds := append([]backend{{name: "plain"}}, backends...)
	for _, b := range kinds {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			var h *extlibs.Handle
			if b.name == "plain" {
				h = mustOpen(t, backends[0].registry(t), "plain://h/")
			} else {
				h = b.open(t)
			}
			const workers = 200
			jobs := kvtest.Sized(600, 2000, 20_000)
			all := values{}
			for i := range jobs {
				all[fmt.Sprintf("job:%06d", i)] = i
			}
			must(t, h.SetMany(ctx, all, 0))
			must(t, h.Set(ctx, "other", 1, 0))
			var taken sync.Map
			var count atomic.Int64
			var wg sync.WaitGroup
			for worker := range workers {
				o := []extlibs.PopOptions{{Pattern: "job:*"}, {Prefix: "job:"}, {Pattern: "job:*[0-9]"}, {Prefix: "job:", Reverse: true}}[worker%4]
				wg.Go(func() {
					for {
						item, err := h.PopFirst(ctx, o)
						if errors.Is(err, extlibs.ErrNotFound) {
							return
						}
						if err != nil {
							t.Errorf("PopFirst: %v", err)
							return
						}
						if _, twice := taken.LoadOrStore(item.Key, item.Value); twice || item.Key != fmt.Sprintf("job:%06d", item.Value) {
							t.Errorf("%s with %v was taken twice, or has another value", item.Key, item.Value)
						}
						count.Add(1)
					}
				})
			}
			wg.Wait()
			if n, err := h.Count(ctx, "*"); n != 1 || count.Load() != int64(jobs) || err != nil {
				t.Errorf("%d of %d jobs were taken, %d keys are left (%v)", count.Load(), jobs, n, err)
			}
		})
	}
}

// What a queue has removed costs later calls nothing: a pass over the removed keys of a file
// would show in what a call allocates and in its time.
func TestPopFirstOfAFileDoesNotPassOverRemovedKeysAgain(t *testing.T) {
	h := onDisk.open(t, extlibs.Durability(extlibs.Interval(time.Hour)))
	n := 20_000
	all := values{}
	for i := range n {
		all[fmt.Sprintf("job:%06d", i)] = i
	}
	must(t, h.SetMany(ctx, all, 0))
	for i := range n {
		o := extlibs.PopOptions{Prefix: "job:"}
		want := fmt.Sprintf("job:%06d", i)
		if i%1000 == 999 { // in between a key comes in front
			want = fmt.Sprintf("job:%06d", i/2)
			must(t, h.Set(ctx, want, i, 0))
			if item, err := h.PopFirst(ctx, o); err != nil || item.Key != want {
				t.Fatalf("PopFirst is %v, %v; want %s", item, err, want)
			}
			want = fmt.Sprintf("job:%06d", i)
		}
		if item, err := h.PopFirst(ctx, o); err != nil || item.Key != want {
			t.Fatalf("PopFirst is %v, %v; want %s", item, err, want)
		}
	}
	if _, err := h.PopFirst(ctx, extlibs.PopOptions{Prefix: "job:"}); !errors.Is(err, extlibs.ErrNotFound) {
		t.Error(err)
	}
}
