package extlibs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// PopOptions selects the keys of which PopFirst takes the first. The zero value selects all
// keys.
type PopOptions struct {
	Pattern string // glob, as in "job:*"; "" is "*"
	Prefix  string // only keys that start with it, taken literally
	Reverse bool   // take the greatest key instead of the least

	// Wait is how long PopFirst waits for a key if there is none: 0 not at all, less than 0
	// until ctx ends.
	Wait time.Duration
}

// PopFirst atomically removes the first of the keys that o selects, in the order of their
// bytes, and returns it with its value and the time that it had left. If there is none,
// PopFirst waits for one for o.Wait, and then returns ErrNotFound. Concurrent callers get
// different keys. A new key wakes one waiting caller of each process, the one that has waited
// longest; it takes no CPU to wait.
//
// With a prefix, or a pattern such as "job:*" that is equivalent to one, the returned key was
// the first one when it was removed, and the cost does not depend on the number of keys. With
// another pattern, the cost grows with the number of keys under its literal prefix that do
// not match, and a key that is set meanwhile can sort before the returned one.
//
// ErrCommitUnknown means that the key may be lost; a queue with leases loses none
// (examples/scripts/lease_queue.py). A value that cannot be decoded within MaxOperationBytes
// is not removed; the error is ErrTooLarge.
func (h *Handle) PopFirst(ctx context.Context, o PopOptions) (Item, error) {
	if h.observer != nil {
		return observed(ctx, h, "pop_first", func(h *Handle) (Item, error) { return h.PopFirst(ctx, o) })
	}
	s, err := ListOptions{Pattern: o.Pattern, Prefix: o.Prefix, Reverse: o.Reverse}.compile()
	if err != nil {
		return Item{}, inCall("pop_first", err)
	}
	until := noWait
	switch {
	case o.Wait < 0:
		until = time.Time{}
	case o.Wait > 0:
		until = time.Now().Add(o.Wait)
	}
	e, err := h.waitFirst(ctx, s, until)
	if err == ErrNotFound {
		return Item{}, inCall("pop_first", h.inStore("", errNoKey))
	}
	if err != nil {
		return Item{}, inCall("pop_first", err)
	}
	v, err := h.decodeCounted(ctx, e.Key, e.Value)
	if err != nil {
		return Item{}, inCall("pop_first", err)
	}
	return Item{e.Key, v, e.TTL}, nil
}

var errNoKey = kverr.Errorf(ErrNotFound, "no key matches")

// noWait is a time that has passed.
var noWait = time.Unix(0, 1)

// waitFirst is popFirst, and waits for a key until a time; the zero time never comes. A
// caller that was woken for a key and does not get one passes the wake on.
func (h *Handle) waitFirst(ctx context.Context, s selection, until time.Time) (Entry, error) {
	e, err := h.popFirst(ctx, s)
	if err != ErrNotFound || passed(until) {
		return e, err
	}
	alike := fmt.Sprintf("%t %s", s.exact, s.pattern) // callers that wait for the same keys
	w, err := h.newWaiter(ctx, h.watching.hub.Queue(h.prefix+s.Prefix, alike), "", until)
	if err != nil {
		return Entry{}, err
	}
	defer w.close()
	for {
		last, woken := passed(until), w.w.Woken() // before it tries: a later wake is for another key
		e, err := h.popFirst(ctx, s)
		if err == nil {
			if woken {
				w.w.Took()
			}
			return e, nil
		}
		absent := err == ErrNotFound
		if absent {
			err = nil
		}
		pause, err := w.retry(err)
		switch {
		case err != nil:
			return Entry{}, err
		case last:
			return Entry{}, ErrNotFound
		case woken && absent: // another caller was faster
			w.w.Requeue()
			continue // a key can have come before that
		}
		if err := w.wait(ctx, pause); err != nil {
			return Entry{}, err
		}
	}
}

// popFirst removes the first key that s selects, or returns ErrNotFound itself. The value of
// the entry can be decoded.
func (h *Handle) popFirst(ctx context.Context, s selection) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, h.inStore("", err)
	}
	if h.prefixErr != nil {
		return Entry{}, h.prefixErr
	}
	if p, ok := h.backend.(FirstPopper); ok && s.Match == nil && !s.exact {
		e, done, err := h.popRange(ctx, p, s.Range)
		switch {
		case errors.Is(err, ErrNotFound):
			return Entry{}, ErrNotFound
		case err != nil:
			return Entry{}, h.inStore("", err)
		case done:
			h.counters.of(e.Key).deletes.Add(1)
			return e, nil
		}
	}
	return h.popPaged(ctx, s)
}

// popRange lets the backend remove the first key of a range.
func (h *Handle) popRange(ctx context.Context, p FirstPopper, r Range) (e Entry, done bool, err error) {
	if h.view {
		r = rangeUnder(h.prefix, r)
	}
	if h.place == inMemory {
		e, done, err = p.PopFirst(ctx, r, math.MaxInt)
	} else { // the value can come from elsewhere, where this host's limits do not hold
		most := max(smallValue, int(h.opts.decodedBytes()/(codec.MaxGrowth+1)))
		err = unlocked(ctx, func() (err error) {
			e, done, err = p.PopFirst(ctx, r, most)
			return err
		})
	}
	if done {
		e.Key = e.Key[len(h.prefix):]
	}
	return e, done, err
}

// popPage is how many keys popPaged asks for at once.
const popPage = 16

// popPaged is popFirst for patterns that are no prefix, for large values, and for backends
// that are not a FirstPopper. Callers of one process come one after the other: they would
// all try for the same key.
func (h *Handle) popPaged(ctx context.Context, s selection) (Entry, error) {
	if err := unlocked(ctx, func() error { return h.popping.lock(ctx) }); err != nil {
		return Entry{}, h.inStore("", err)
	}
	defer h.popping.unlock()
	s.Limit = popPage
	for {
		page, err := h.firstPage(ctx, s)
		if err != nil {
			return Entry{}, err
		}
		for _, e := range page.Entries {
			taken, err := h.take(ctx, e)
			if err != ErrNotFound {
				return taken, err
			}
		}
		if !page.More {
			return Entry{}, ErrNotFound
		}
		s.Resume(page.Next)
	}
}

// firstPage reads a page of a selection, without values.
func (h *Handle) firstPage(ctx context.Context, s selection) (Page, error) {
	s.Need = NeedTTL
	if s.exact {
		return h.exactPage(ctx, s.Range)
	}
	return h.page(ctx, s.Range)
}

// take removes a key of a page, and returns it with its value, or ErrNotFound.
func (h *Handle) take(ctx context.Context, e Entry) (Entry, error) {
	var err error
	e.Value, err = h.pop(ctx, e.Key)
	return e, err
}

// exclusive is a lock whose waiting callers obey their contexts. Its holder is not in an
// interpreter: it never runs a script's function.
type exclusive chan struct{}

func newExclusive() exclusive { return make(exclusive, 1) }

func (x exclusive) lock(ctx context.Context) error {
	select {
	case x <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x exclusive) unlock() { <-x }
