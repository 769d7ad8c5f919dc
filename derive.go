package extlibs

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// scan calls each for the live entries that a pattern selects, in order, at
// most limit of them where limit is more than 0. Where the store is cleared
// between two pages it calls restart and begins again, so that nobody sees half
// of what was there.
func (h *Handle) scan(ctx context.Context, p *glob.Pattern, limit int, after string, need Need, restart func(), each func(Entry) error) error {
	if p.Exact {
		return h.scanOne(ctx, p.Prefix, after, need, each)
	}
	r := Range{Prefix: p.Prefix, After: after, Match: p.Match, Need: need, Limit: limit}
	epoch, found := uint64(0), 0
	for {
		page, err := h.page(ctx, r)
		if err != nil {
			return err
		}
		if r.After != after && page.Epoch != epoch {
			restart()
			r.After, r.Limit, found = after, limit, 0
			continue
		}
		epoch = page.Epoch
		for _, e := range page.Entries {
			if err := each(e); err != nil {
				return err
			}
		}
		found += len(page.Entries)
		if !page.More || (limit > 0 && found >= limit) {
			return nil
		}
		r.After = page.Next
		if limit > 0 {
			r.Limit = limit - found
		}
	}
}

// collect is scan for callers that keep what they get, values decoded: it counts what
// they hold.
func (h *Handle) collect(ctx context.Context, p *glob.Pattern, limit int, after string, need Need, restart func(), each func(Entry) error) error {
	held := newBudget(ctx, h.opts.maxOperationBytes)
	again := func() {
		held = newBudget(ctx, h.opts.maxOperationBytes)
		restart()
	}
	return h.scan(ctx, p, limit, after, need, again, func(e Entry) error {
		if err := held.takeEntry(&e, need); err != nil {
			return h.inStore(damagedKey(e.Key, err), err)
		}
		return each(e)
	})
}

func (h *Handle) scanOne(ctx context.Context, key, after string, need Need, each func(Entry) error) error {
	if key <= after || h.checkKey(key) != nil {
		return nil
	}
	e, err := h.loadRaw(ctx, key, need)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return h.inStore(key, err)
	}
	return each(e)
}

// countMatching counts the live keys that a pattern selects.
func (h *Handle) countMatching(ctx context.Context, p *glob.Pattern) (int, error) {
	if p.All() {
		return h.len(ctx)
	}
	n := 0
	err := h.scan(ctx, p, 0, "", 0, func() { n = 0 }, func(Entry) error { n++; return nil })
	return n, err
}

// pop removes a key and returns its value, or ErrNotFound. A value that could not be
// decoded within the limits stays.
func (h *Handle) pop(ctx context.Context, key string) (Value, error) {
	if !h.inMemory { // where a value may be that no limit of this host has seen
		e, err := h.load(ctx, key, NeedValue)
		if err == nil {
			err = h.checkDecoded(ctx, e.Value)
			if err != nil {
				err = h.inStore(key, err)
			}
		}
		if err != nil {
			return Value{}, err
		}
	}
	r, err := h.apply(ctx, Op{Kind: OpDelete, Key: key, NeedOld: true})
	if err == nil && !r.Applied {
		err = ErrNotFound
	}
	return r.Old, err
}

// How often update runs its function, and from when on it makes way for others.
const (
	updateAttempts = 200
	updateEager    = 4
	updateBackoff  = 100 * time.Microsecond
)

// update replaces the value of a key by what fn makes of it. fn runs outside
// the store and runs again if the key has changed meanwhile. fn gets the zero
// Value for an absent key; an error of fn ends the update and is returned as it is.
// After some runs, or where others of this process have had as many, updates of a key
// take turns (see turns).
func (h *Handle) update(ctx context.Context, key string, fn func(old Value) (Value, error)) (Value, error) {
	var t *turn
	defer func() { t.leave() }()
	// An update in a function that another call runs does not queue: it might wait for
	// the update that runs it.
	queues := ctx.Value(nestingKey{}) == nil && ctx.Value(flyingKey{}) == nil
	longest, lost, losses := time.Duration(0), 0, 0 // of the runs; how many in a row were in vain; turns that took too long
	for range updateAttempts {
		if queues && t == nil {
			if t = h.whole.turns.join(h.prefix+key, lost >= updateEager, losses); t != nil {
				wait := func() (any, error) { return nil, t.wait(ctx) }
				if _, err := runBlocking(ctx, wait); err != nil {
					return Value{}, h.inStore(key, err)
				}
				lost = 0
			}
		}
		if t != nil && !t.keep(longest) {
			losses++
			t, queues = nil, losses < turnLosses
		}
		if lost >= updateEager {
			wait := func() (any, error) { return nil, backOff(ctx, min(lost, updateAttempts/4)) }
			if _, err := runBlocking(ctx, wait); err != nil {
				return Value{}, h.inStore(key, err)
			}
		}
		began := time.Now()
		e, err := h.load(ctx, key, NeedValue)
		if err != nil && err != ErrNotFound {
			return Value{}, err
		}
		value, err := fn(e.Value)
		if err != nil {
			return Value{}, err
		}
		r, err := h.apply(ctx, Op{Kind: OpSwap, Key: key, Value: value, Old: e.Value})
		if err != nil {
			return Value{}, err
		}
		if r.Applied {
			return value, nil
		}
		longest = max(longest, time.Since(began))
		lost++
	}
	return Value{}, h.inStore(key, kverr.Errorf(ErrConflict, "the key changed during each of %d runs of the function; does the function write it itself?", updateAttempts))
}

// backOff waits a random time that grows with attempt.
func backOff(ctx context.Context, attempt int) error {
	t := time.NewTimer(rand.N(time.Duration(attempt) * updateBackoff))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// getOrSet returns the value of a key, or stores and returns what fn makes. Of
// several callers at once each gets the value that was kept.
func (h *Handle) getOrSet(ctx context.Context, key string, ttl time.Duration, fn func() (Value, error)) (Value, error) {
	e, err := h.load(ctx, key, NeedValue)
	if err != ErrNotFound {
		return e.Value, err
	}
	value, err := fn()
	if err != nil {
		return Value{}, err
	}
	r, err := h.apply(ctx, Op{Kind: OpAdd, Key: key, Value: value, TTL: ttl, NeedOld: true})
	return r.kept(value), err
}

// kept is the value after an OpAdd.
func (r Result) kept(added Value) Value {
	if r.Applied {
		return added
	}
	return r.Old
}

// flyingKey marks the context of a function that get_or_set runs. A call in it
// waits for nobody: the one it would wait for may be the one that runs it, or one
// that waits for that.
type flyingKey struct{}

// getOrSetOnce is getOrSet where one of several callers at a time runs fn. The
// others wait, without the interpreter's lock, and get its value; where it failed
// they try themselves.
func (h *Handle) getOrSetOnce(ctx context.Context, key string, ttl time.Duration, fn func(context.Context) (Value, error)) (Value, error) {
	flying := ctx.Value(flyingKey{}) != nil
	inner := context.WithValue(ctx, flyingKey{}, true)
	run := func() (Value, error) {
		return h.getOrSet(ctx, key, ttl, func() (Value, error) { return fn(inner) })
	}
	for {
		e, err := h.load(ctx, key, NeedValue)
		if err != ErrNotFound {
			return e.Value, err
		}
		full := h.prefix + key
		fl, leads := h.whole.flights.join(full)
		switch {
		case leads:
			defer h.whole.flights.land(full, fl)
			fl.value, err = run()
			return fl.value, err
		case flying:
			return run()
		}
		value, err := h.waitFor(ctx, fl, key)
		if err != nil || !value.IsZero() {
			return value, err
		}
	}
}

// waitFor waits for the value of a key that another caller is making, or that anybody
// stores meanwhile. It returns none where the other caller failed, or the key came and
// went.
func (h *Handle) waitFor(ctx context.Context, fl *flight, key string) (Value, error) {
	changed := h.whole.flights.watch(fl)
	defer h.whole.flights.unwatch()
	e, err := h.load(ctx, key, NeedValue) // it may have been stored before the watch
	if err != ErrNotFound {
		return e.Value, err
	}
	poll := time.Duration(0)
	if _, isFile := h.whole.store.(*boltStore); !h.inMemory && !isFile {
		poll = flightPoll // other processes store there
	}
	wait := func() (any, error) { return nil, fl.wait(ctx, changed, poll) }
	if _, err := runBlocking(ctx, wait); err != nil {
		return Value{}, h.inStore(key, err)
	}
	return fl.result(), nil
}

// walk calls each for the live entries that a pattern selects, in order, page by
// page, until it says no. A key that is there all the time comes once.
func (h *Handle) walk(ctx context.Context, p *glob.Pattern, limit int, after string, need Need, each func(Entry) (more bool, err error)) error {
	if p.Exact {
		return h.scanOne(ctx, p.Prefix, after, need, func(e Entry) error { _, err := each(e); return err })
	}
	r := Range{Prefix: p.Prefix, After: after, Match: p.Match, Need: need, Limit: limit}
	for {
		page, err := h.page(ctx, r)
		if err != nil {
			return err
		}
		for i, e := range page.Entries {
			if more, err := each(e); err != nil || !more || limit > 0 && i+1 == r.Limit {
				return err
			}
		}
		if !page.More {
			return nil
		}
		r.After = page.Next
		if limit > 0 {
			r.Limit -= len(page.Entries)
		}
	}
}

// removalPattern compiles a pattern whose keys are removed. An empty one selects
// every key in some calls and none in others, so it is refused.
func removalPattern(pattern string) (*glob.Pattern, error) {
	if pattern == "" {
		return nil, kverr.Errorf(ErrType, `pattern is empty; use "*" to remove every key, or a pattern such as "user:*"`)
	}
	return glob.Compile(pattern)
}

// deleteMatching removes the keys that a pattern selects, page by page.
func (h *Handle) deleteMatching(ctx context.Context, p *glob.Pattern) (deleted int, err error) {
	if p.Exact {
		if h.checkKey(p.Prefix) != nil {
			return 0, nil
		}
		return h.deleteKeys(ctx, []string{p.Prefix}, h.applyPage)
	}
	for r := (Range{Prefix: p.Prefix, Match: p.Match}); ; {
		page, err := h.page(ctx, r)
		if err != nil {
			return deleted, err
		}
		keys := make([]string, len(page.Entries))
		for i, e := range page.Entries {
			keys[i] = e.Key
		}
		n, err := h.deleteKeys(ctx, keys, h.applyPage)
		deleted += n
		if err != nil || !page.More {
			return deleted, err
		}
		r.After = page.Next
	}
}

func (h *Handle) deleteMany(ctx context.Context, keys []string) (int, error) {
	return h.deleteKeys(ctx, keys, h.applyMany)
}

func (h *Handle) deleteKeys(ctx context.Context, keys []string, apply func(context.Context, []Op) ([]Result, error)) (int, error) {
	ops := make([]Op, len(keys))
	for i, key := range keys {
		ops[i] = Op{Kind: OpDelete, Key: key}
	}
	results, err := apply(ctx, ops)
	n := 0
	for _, r := range results {
		if r.Applied {
			n++
		}
	}
	return n, err
}
