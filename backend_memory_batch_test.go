package extlibs

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
)

// hookedContext calls hook when it has been asked so many times whether it ended.
type hookedContext struct {
	context.Context
	asked atomic.Int64
	after int64
	hook  func()
}

func (c *hookedContext) Err() error {
	if c.asked.Add(1) == c.after {
		c.hook()
	}
	return c.Context.Err()
}

const largeKeys = 10 * smallBatch

func largeKey(i int) string { return fmt.Sprintf("large:%05d", i) }

// While a batch of thousands of keys is half stored, every other call continues at once,
// also on its keys, and sees nothing of it.
func TestALargeBatchInMemoryKeepsNobodyWaiting(t *testing.T) {
	for _, half := range []int64{1, 20, 40, 60, 80} {
		r := NewRegistry(SweepInterval(time.Hour))
		defer r.Close()
		h, err := r.Open(t.Context(), ":memory:large")
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		remove := func(key string) {
			t.Helper()
			_, err := h.Delete(ctx, key)
			must(err)
		}
		must(h.Set(ctx, largeKey(7), "old", 0))
		must(h.Set(ctx, largeKey(9), "old", time.Hour))
		must(h.Set(ctx, "other", "old", 0))
		values := map[string]any{}
		for i := range largeKeys {
			values[largeKey(i)] = "new"
		}
		hooked := false
		batch := &hookedContext{Context: ctx, after: half, hook: func() {
			hooked = true
			if v, err := h.Get(ctx, largeKey(7)); v != "old" || err != nil {
				t.Errorf("a key of the batch is %v, %v", v, err)
			}
			if _, err := h.Get(ctx, largeKey(8)); !errors.Is(err, ErrNotFound) {
				t.Errorf("a key that the batch adds: %v", err)
			}
			if n, err := h.Count(ctx, "*"); n != 3 || err != nil {
				t.Errorf("%d keys, %v", n, err)
			}
			if keys, err := h.Keys(ctx, ListOptions{Pattern: "*"}); len(keys) != 3 || err != nil {
				t.Errorf("%d keys are listed, %v", len(keys), err)
			}
			if all, err := h.GetMany(ctx, []string{largeKey(7), largeKey(8), largeKey(9)}); len(all) != 2 || err != nil {
				t.Errorf("get_many has %v, %v", all, err)
			}
			// Writes before the batch, which replaces them.
			for i := range 100 {
				must(h.Set(ctx, largeKey(i*11), "mine", 0))
			}
			remove(largeKey(9))
			if _, err := h.Incr(ctx, "n", 1, 0); err != nil {
				t.Error(err)
			}
			must(h.SetMany(ctx, map[string]any{largeKey(1): "mine", "small": 1}, 0))
			if v, err := h.Get(ctx, largeKey(11)); v != "mine" || err != nil {
				t.Errorf("a key of the batch that was set is %v, %v", v, err)
			}
			must(h.Set(ctx, "other", "mine", 0))
		}}
		must(h.SetMany(batch, values, 0))
		if !hooked {
			t.Fatalf("the context was asked %d times only", batch.asked.Load())
		}
		for i := range largeKeys {
			if v, err := h.Get(ctx, largeKey(i)); v != "new" || err != nil {
				t.Fatalf("after the batch key %d is %v, %v", i, v, err)
			}
		}
		if n, err := h.Count(ctx, "*"); n != largeKeys+3 || err != nil {
			t.Errorf("%d keys, %v", n, err)
		}
		must(h.backend.(*memory).state.Load().Check())

		// The same for a batch that removes them, which counts what it finds at its end.
		all := make([]string, largeKeys)
		for i := range all {
			all[i] = largeKey(i)
		}
		batch = &hookedContext{Context: ctx, after: half, hook: func() {
			if v, err := h.Get(ctx, all[5]); v != "new" || err != nil {
				t.Errorf("a key that a batch removes is %v, %v", v, err)
			}
			remove(all[5])
			must(h.Set(ctx, all[6], "mine", time.Hour))
			remove(all[7])
			must(h.Set(ctx, all[7], "mine", 0))
			if n, err := h.Count(ctx, "large:*"); n != largeKeys-1 || err != nil {
				t.Errorf("%d keys, %v", n, err)
			}
		}}
		if n, err := h.DeleteMany(batch, all); n != largeKeys-1 || err != nil {
			t.Errorf("%d keys were removed, %v; want %d", n, err, largeKeys-1)
		}
		if n, err := h.Count(ctx, "*"); n != 3 || err != nil {
			t.Errorf("%d keys are left, %v", n, err)
		}
		must(h.backend.(*memory).state.Load().Check())
	}
}

// A large batch whose context ends, or that fails, changes nothing, whatever it had
// stored; a write to a key of a conditional one waits for it, and obeys its own context.
func TestALargeBatchThatEndsEarlyChangesNothing(t *testing.T) {
	m := newTestMemory(t, SweepInterval(time.Hour))
	var ops []Op
	for i := range largeKeys {
		if i%2 == 0 {
			m.mustApply(t, Op{Kind: OpSet, Key: largeKey(i), Value: encodeInt(1), TTL: time.Duration(i) * time.Hour})
		}
		ops = append(ops, Op{Kind: OpIncr, Key: largeKey(i), Value: encodeInt(5)})
	}
	before := statsOf(t, m).Bytes
	unchanged := func() {
		t.Helper()
		if n := m.mustLen(t); n != largeKeys/2 || statsOf(t, m).Bytes != before {
			t.Errorf("%d keys, %d bytes, want %d and %d", n, statsOf(t, m).Bytes, largeKeys/2, before)
		}
		if err := m.state.Load().Check(); err != nil {
			t.Error(err)
		}
		for i := range largeKeys {
			e, err := m.Load(t.Context(), largeKey(i), NeedAll)
			if i%2 == 1 && !errors.Is(err, ErrNotFound) || i%2 == 0 && e.Value != encodeInt(1) {
				t.Fatalf("key %d is %v, %v", i, e, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	batch := &hookedContext{Context: ctx, after: 50}
	batch.hook = func() {
		short, end := context.WithTimeout(t.Context(), time.Millisecond)
		defer end()
		waited := 0
		for i := range largeKeys {
			if _, err := m.Apply(short, Op{Kind: OpExpire, Key: largeKey(i), TTL: time.Minute}); err != nil {
				waited++
				if _, err := m.ApplyMany(short, []Op{{Kind: OpDelete, Key: largeKey(i)}}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a small batch on a key of a conditional one: %v", err)
				}
			} else if i%2 == 0 {
				m.mustApply(t, Op{Kind: OpSet, Key: largeKey(i), Value: encodeInt(1), TTL: time.Duration(i) * time.Hour})
			}
			if waited > 3 {
				break
			}
		}
		if waited == 0 {
			t.Error("no caller waits for a conditional batch")
		}
		if _, err := m.ApplyMany(short, ops); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second large batch: %v", err)
		}
		cancel()
	}
	if _, err := m.ApplyMany(batch, ops); !errors.Is(err, context.Canceled) {
		t.Errorf("a batch whose context ended: %v", err)
	}
	unchanged()
	m.mustApply(t, Op{Kind: OpSet, Key: "text", Value: encodeGoMust(t, "no number")})
	failing := append([]Op{{Kind: OpIncr, Key: "text", Value: encodeInt(1)}}, ops...)
	if _, err := m.ApplyMany(t.Context(), failing); !errors.Is(err, ErrType) {
		t.Errorf("a batch with an operation that fails: %v", err)
	}
	m.mustApply(t, Op{Kind: OpDelete, Key: "text"})
	unchanged()
	results, err := m.ApplyMany(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if want := encodeInt(int64(5 + (i+1)%2)); r.New != want || !r.Applied {
			t.Fatalf("result %d is %v", i, r)
		}
	}
}

// A script's large call leaves its interpreter to other threads.
func TestALargeCallInMemoryReleasesTheInterpreter(t *testing.T) {
	r := NewRegistry()
	defer r.Close()
	p := scriptling.New()
	r.Register(p)
	if _, err := p.Eval("import scriptling.runtime.kv as kv\nvalues = {}\nfor i in range(2000):\n    values['released ' + str(i)] = i\ndef other():\n    return kv.default.get('nothing', 'ran')\n"); err != nil {
		t.Fatal(err)
	}
	ran := ""
	p.RegisterFunc("large", func(c context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		hooked := &hookedContext{Context: c, after: 40, hook: func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				if o, err := p.CallFunction("other"); err == nil {
					ran = o.Inspect()
				}
			}()
			<-done
		}}
		values := map[string]any{}
		for i := range 2000 {
			values[largeKey(i)] = i
		}
		if err := r.Default().SetMany(hooked, values, 0); err != nil {
			t.Error(err)
		}
		return &object.Null{}
	})
	if _, err := p.Eval("large()"); err != nil {
		t.Fatal(err)
	}
	if ran != "ran" {
		t.Errorf("another thread of the interpreter ran: %q", ran)
	}
}
