package extlibs

import (
	"context"
	"time"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
)

// Wait blocks until a key exists and returns its value, at once if it exists already. While
// it waits it takes no CPU: the write of the key wakes it, from whichever interpreter, handle
// or host it comes; on a store that cannot report changes it polls, every 10 ms at first and
// once a second later. If ctx ends first, Wait returns the error of ctx; if the store is
// closed, ErrClosed. If a server cannot be reached, Wait retries for up to 10 s.
func (h *Handle) Wait(ctx context.Context, key string) (any, error) {
	if h.observer != nil {
		return observed(ctx, h, "wait", func(h *Handle) (any, error) { return h.Wait(ctx, key) })
	}
	value, _, err := h.waitValue(ctx, key, time.Time{})
	if err != nil {
		return nil, inCall("wait", err)
	}
	v, err := h.decode(ctx, key, value)
	return v, inCall("wait", err)
}

// WaitChange blocks until the value of a key is not equal to old and returns it, nil if the
// key is absent or has expired. It compares as CompareAndSwap does; a nil old equals an absent
// key. A change between an earlier read of old and the call is not missed. Otherwise
// WaitChange behaves as Wait does.
func (h *Handle) WaitChange(ctx context.Context, key string, old any) (any, error) {
	if h.observer != nil {
		return observed(ctx, h, "wait_change", func(h *Handle) (any, error) { return h.WaitChange(ctx, key, old) })
	}
	was, err := h.encodeOld(ctx, old)
	if err != nil {
		return nil, inCall("wait_change", err)
	}
	value, _, err := h.waitChange(ctx, key, was, time.Time{})
	if err != nil || value.IsZero() {
		return nil, inCall("wait_change", err)
	}
	v, err := h.decode(ctx, key, value)
	return v, inCall("wait_change", err)
}

// look is a read of a caller that waits. It reports whether the wait has ended; if not, the
// caller reads again after the time again, unless that is 0.
type look func() (done bool, again time.Duration, err error)

// waitValue waits until a key exists, and returns its value.
func (h *Handle) waitValue(ctx context.Context, key string, until time.Time) (value Value, found bool, err error) {
	found, err = h.waitFor(ctx, key, until, func() (bool, time.Duration, error) {
		e, err := h.load(ctx, key, NeedValue)
		if err == ErrNotFound {
			return false, 0, nil
		}
		value = e.Value
		return err == nil, 0, err
	})
	return value, found, err
}

// waitChange waits until the value of a key is not old, and returns it; none for an
// absent key.
func (h *Handle) waitChange(ctx context.Context, key string, old Value, until time.Time) (value Value, changed bool, err error) {
	same := comparison{old: old}
	changed, err = h.waitFor(ctx, key, until, func() (bool, time.Duration, error) {
		e, err := h.load(ctx, key, NeedAll)
		if err != nil && err != ErrNotFound {
			return false, 0, err
		}
		value = e.Value
		equal, err := same.with(ctx, value)
		if err != nil {
			return false, 0, h.inStore(key, err)
		}
		return !equal, e.TTL, nil
	})
	return value, changed, err
}

// encodedNone is the encoding of None.
var encodedNone = Value{string(cbor.AppendNull(nil))}

// comparison compares a value with others.
type comparison struct {
	old Value
	sum codec.Sum // of old, once it is needed
	has bool      // sum is set
}

// with reports whether a value, or the absence of one, equals the old one.
func (c *comparison) with(ctx context.Context, v Value) (equal bool, err error) {
	switch {
	case v == c.old:
		return true, nil
	case v.IsZero():
		return c.old == encodedNone, nil
	}
	if !c.has {
		if c.sum, err = codec.Digest(ctx, c.old.data); err != nil {
			return false, err
		}
		c.has = true
	}
	sum, err := codec.Digest(ctx, v.data)
	return sum == c.sum, err
}

// waitFor reads a key until the read says that the wait has ended, and reports whether it
// did before until. It registers before it reads, so that it misses no change; the first
// read, before that, is for calls that need not wait.
func (h *Handle) waitFor(ctx context.Context, key string, until time.Time, read look) (done bool, err error) {
	if done, _, err = read(); done || err != nil || passed(until) {
		return done, err
	}
	w, err := h.newWaiter(ctx, h.watching.hub.WatchKey(h.prefix+key), key, until)
	if err != nil {
		return false, err
	}
	defer w.close()
	for {
		last := passed(until)
		done, again, err := read()
		pause, err := w.retry(err)
		if done || err != nil || last {
			return done, err
		}
		if pause > 0 {
			again = pause
		}
		if err := w.wait(ctx, again); err != nil {
			return false, err
		}
	}
}
