package extlibs

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// A call that is observed runs again on a second Handle of the store, which is not
// observed and whose Store counts. So calls that a call makes are part of it, and a call
// that is not observed checks one field.

// observer calls functions after each call.
type observer struct {
	opts     *options
	telling  atomic.Int64 // functions that run now
	panicked sync.Once
}

// newObserver returns nil if calls are not observed.
func newObserver(o *options) *observer {
	if len(o.observers) == 0 && o.slowCalls == 0 {
		return nil
	}
	return &observer{opts: o}
}

// observed runs a call of h and reports it.
func observed[T any](ctx context.Context, h *Handle, name string, run func(h *Handle) (T, error)) (T, error) {
	inner, seen := h.counted()
	began := time.Now()
	v, err := run(inner)
	h.observer.report(ctx, seen.call(h, name, began, err))
	return v, err
}

// observedErr is observed for a call without another result.
func observedErr(ctx context.Context, h *Handle, name string, run func(h *Handle) error) error {
	_, err := observed(ctx, h, name, func(h *Handle) (struct{}, error) { return struct{}{}, run(h) })
	return err
}

// observedSeq is observed for a call that returns an iterator, each loop over which is a
// call.
func observedSeq[T any](ctx context.Context, h *Handle, name string, run func(h *Handle) iter.Seq2[T, error]) iter.Seq2[T, error] {
	inner, seen := h.counted()
	seq := run(inner)
	return func(yield func(T, error) bool) {
		began := time.Now()
		var failed error
		for v, err := range seq {
			failed = err
			if !yield(v, err) {
				break
			}
		}
		h.observer.report(ctx, seen.call(h, name, began, failed))
	}
}

// counted returns a Handle of the same store, or view, that is not observed and counts.
func (h *Handle) counted() (*Handle, *counting) {
	c := &counting{Store: h.store}
	inner := *h
	inner.observer, inner.fast, inner.store = nil, nil, c
	return &inner, c
}

func (o *observer) report(ctx context.Context, c Call) {
	slow := o.opts.slowCalls > 0 && c.Duration >= o.opts.slowCalls && !waits[c.Name]
	if len(o.opts.observers) == 0 && !slow || o.telling.Load() > 0 && inObserver() {
		return
	}
	o.telling.Add(1)
	defer o.telling.Add(-1)
	unlocked(ctx, func() error {
		for _, fn := range o.opts.observers {
			o.tell(fn, c)
		}
		if slow {
			o.tell(o.warn, c)
		}
		return nil
	})
}

func (o *observer) warn(c Call) {
	attrs := []any{"store", c.Store, "call", c.Name, "keys", c.Keys, "bytes", c.Bytes, "duration", c.Duration}
	if c.Err != nil {
		attrs = append(attrs, "error", c.Err)
	}
	o.opts.logger.Warn("kv: a call was slow", attrs...)
}

// tell calls fn. It is not inlined, so that inObserver finds it.
//
//go:noinline
func (o *observer) tell(fn func(Call), c Call) {
	defer func() {
		if p := recover(); p != nil {
			o.panicked.Do(func() {
				o.opts.logger.Error("kv: a function given to Observe panicked; later panics are not logged",
					"error", kverr.Panicked("the function", p), "stack", string(debug.Stack()))
			})
		}
	}()
	fn(c)
}

// inObserver reports whether this goroutine runs a function that is told of a call.
func inObserver() bool {
	pcs := make([]uintptr, 256)
	n := runtime.Callers(2, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 4*len(pcs))
		n = runtime.Callers(2, pcs)
	}
	for _, pc := range pcs[:n] {
		if f := runtime.FuncForPC(pc - 1); f != nil && f.Name() == tellName {
			return true
		}
	}
	return false
}

const tellName = "github.com/scriptling-kv/extlibs.(*observer).tell"

// counting is a Store that counts the keys and bytes of one call.
type counting struct {
	Store
	keys, bytes atomic.Int64
}

func (c *counting) call(h *Handle, name string, began time.Time, err error) Call {
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return Call{Store: h.name, Name: name, Keys: int(c.keys.Load()), Bytes: int(c.bytes.Load()), Duration: time.Since(began), Err: err}
}

func (c *counting) add(keys int, entries []Entry) {
	c.keys.Add(int64(keys))
	for i := range entries {
		c.bytes.Add(int64(entries[i].Value.Len()))
	}
}

func (c *counting) Load(ctx context.Context, key string, need Need) (Entry, error) {
	e, err := c.Store.Load(ctx, key, need)
	c.keys.Add(1)
	c.bytes.Add(int64(e.Value.Len()))
	return e, err
}

func (c *counting) LoadMany(ctx context.Context, keys []string, need Need) ([]Entry, error) {
	entries, err := c.Store.LoadMany(ctx, keys, need)
	c.add(len(keys), entries)
	return entries, err
}

func (c *counting) Apply(ctx context.Context, op Op) (Result, error) {
	r, err := c.Store.Apply(ctx, op)
	c.keys.Add(1)
	c.bytes.Add(int64(op.Value.Len() + r.Old.Len()))
	return r, err
}

func (c *counting) ApplyMany(ctx context.Context, ops []Op) ([]Result, error) {
	results, err := c.Store.ApplyMany(ctx, ops)
	c.keys.Add(int64(len(ops)))
	for i := range ops {
		c.bytes.Add(int64(ops[i].Value.Len()))
	}
	for i := range results {
		c.bytes.Add(int64(results[i].Old.Len()))
	}
	return results, err
}

func (c *counting) Scan(ctx context.Context, r Range) (Page, error) {
	page, err := c.Store.Scan(ctx, r)
	c.add(len(page.Entries), page.Entries)
	return page, err
}
