package extlibs

import (
	"context"
	"hash/maphash"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// WatchOptions selects the keys of a Watch: keys that match both. The zero value selects
// all keys.
type WatchOptions struct {
	Pattern string // glob, as in "user:*"; "" is "*"
	Prefix  string // taken literally
}

// Change is a key that changed, as Watch returns it.
type Change struct {
	Key     string
	Value   any  // the value of the key; nil if Deleted
	Deleted bool // the key was removed or has expired

	// Lost reports that any of the selected keys can have changed: Watch lost track.
	// The other fields are then zero.
	Lost bool
}

// Watch returns an iterator over the keys that change after Watch was called. A program that
// calls Watch, then reads the keys, then starts the loop misses no change. The loop ends with
// an error as its last element: that of ctx, or ErrClosed. Leave the loop, or end ctx, to end
// the watch. An iterator can be used once.
//
// After the last change of a key, the iterator returns its current value; several changes of
// a key can become one element. Setting an equal value, or a ttl, is a change. If more than
// 10,000 changed keys are waiting for the loop, after Clear, or after the connection to a
// server broke, the iterator returns an element with Lost.
//
// The body of the loop runs outside all locks and can use the store. On a store that cannot
// report changes Watch reads all selected keys, every 10 ms at first and once a second later,
// and reports the keys whose values differ; their size is limited by MaxOperationBytes.
func (h *Handle) Watch(ctx context.Context, o WatchOptions) iter.Seq2[Change, error] {
	if h.observer != nil {
		return observedSeq(ctx, h, "watch", func(h *Handle) iter.Seq2[Change, error] { return h.Watch(ctx, o) })
	}
	w, err := h.startWatch(ctx, o)
	return func(yield func(Change, error) bool) {
		if err == nil {
			err = w.use()
		}
		if err != nil {
			yield(Change{}, inCall("watch", err))
			return
		}
		defer w.close()
		for {
			change, _, err := w.next(ctx)
			c := Change{Key: change.Key, Lost: change.lost, Deleted: !change.lost && !change.found}
			if err == nil && change.found {
				c.Value, err = h.decode(ctx, change.Key, change.Value)
			}
			if err != nil {
				yield(Change{}, inCall("watch", err))
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// startWatch begins a Watch, which ends with ctx even if there is no loop.
func (h *Handle) startWatch(ctx context.Context, o WatchOptions) (*keyWatch, error) {
	s, err := ListOptions{Pattern: o.Pattern, Prefix: o.Prefix}.compile()
	if err != nil {
		return nil, err
	}
	w, err := h.watchKeys(ctx, s, time.Time{})
	if err == nil {
		w.stop = context.AfterFunc(ctx, w.waiter.close)
	}
	return w, err
}

// use reports that the iterator of a Watch is used, once.
func (k *keyWatch) use() error {
	if k.used {
		return kverr.Errorf(ErrInvalid, "the iterator has been used already; call Watch again")
	}
	k.used = true
	return nil
}

// keyWatch is a caller that waits for changes of several keys.
type keyWatch struct {
	waiter
	selection
	pending []string          // changed keys, the next one last
	lost    bool              // any key can have changed
	known   map[string]uint64 // if it polls: hashes of the values
	used    bool
	stop    func() bool // nil: nothing else closes the waiter
}

// keyChange is a changed key with its value.
type keyChange struct {
	Entry
	found bool // the key exists
	lost  bool // there is no key: any can have changed
}

// watchKeys begins to wait for changes of the keys that s selects, until a time.
func (h *Handle) watchKeys(ctx context.Context, s selection, until time.Time) (*keyWatch, error) {
	if h.prefixErr != nil {
		return nil, h.prefixErr
	}
	k := &keyWatch{selection: s}
	w, err := h.newWaiter(ctx, h.watching.hub.WatchPrefix(h.prefix+s.Prefix), "", until)
	if err != nil {
		return nil, err
	}
	k.waiter = *w
	if k.polls {
		if err := k.poll(ctx); err != nil {
			k.close()
			return nil, err
		}
		k.pending = nil
	}
	return k, nil
}

// selects reports whether s selects a key.
func (s *selection) selects(key string) bool {
	switch {
	case s.exact:
		return key == s.Prefix
	case !strings.HasPrefix(key, s.Prefix), s.Before != "" && key >= s.Before:
		return false
	}
	return s.Match == nil || s.Match(key)
}

func (k *keyWatch) close() {
	if k.stop == nil || k.stop() {
		k.waiter.close()
	}
}

// next waits for the next change. ok is false if there was none until k.until.
func (k *keyWatch) next(ctx context.Context) (c keyChange, ok bool, err error) {
	for {
		if passed(k.until) {
			return c, false, nil
		}
		if k.lost {
			k.lost, k.pending = false, nil
			return keyChange{lost: true}, true, nil
		}
		c, ok, err = k.read(ctx)
		pause, err := k.retry(err)
		if ok || err != nil {
			return c, ok, err
		}
		if k.lost || len(k.pending) > 0 && pause == 0 {
			continue
		}
		if err := k.wait(ctx, pause); err != nil {
			return c, false, err
		}
	}
}

// read reads the next changed key, or, if there is none, which keys changed.
func (k *keyWatch) read(ctx context.Context) (c keyChange, ok bool, err error) {
	if n := len(k.pending); n > 0 {
		c.Entry, err = k.h.load(ctx, k.pending[n-1], NeedValue)
		if err != nil && err != ErrNotFound {
			return c, false, err
		}
		c.Key, c.found = k.pending[n-1], err == nil
		k.pending = k.pending[:n-1]
		return c, true, nil
	}
	if k.polls {
		return c, false, k.poll(ctx)
	}
	keys, lost := k.w.Take()
	if k.lost = lost; lost {
		return c, false, nil
	}
	k.pending = keys[:0]
	for _, key := range keys {
		if err := ctx.Err(); err != nil { // a pattern takes up to 10 ms for a long key
			return c, false, k.h.inStore("", err)
		}
		if key, ok := strings.CutPrefix(key, k.h.prefix); ok && key != "" && k.selects(key) {
			k.pending = append(k.pending, key)
		}
	}
	k.order()
	return c, false, nil
}

// order sorts the changed keys; the first one is the next.
func (k *keyWatch) order() {
	slices.Sort(k.pending)
	slices.Reverse(k.pending)
}

var hashSeed = maphash.MakeSeed()

// poll finds the keys that changed since the last poll.
func (k *keyWatch) poll(ctx context.Context) error {
	held := newBudget(ctx, k.h.opts.maxOperationBytes)
	var changed []string
	now := make(map[string]uint64, len(k.known))
	r := k.Range
	r.Match, r.Need = k.selects, NeedValue
	for page, err := range pages(ctx, r, k.h.page) {
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			if err := held.takeKey(e.Key); err != nil {
				return k.h.inStore("", err)
			}
			hash := maphash.String(hashSeed, e.Value.data)
			now[e.Key] = hash
			if before, ok := k.known[e.Key]; !ok || before != hash {
				changed = append(changed, e.Key)
			}
		}
	}
	for key := range k.known {
		if _, ok := now[key]; !ok {
			changed = append(changed, key)
		}
	}
	k.known, k.pending = now, changed
	if k.order(); len(k.pending) > 0 {
		k.pause = pollFirst
	}
	return nil
}
