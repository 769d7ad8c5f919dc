package extlibs

import (
	"context"
	"errors"
	"iter"

	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// ListOptions selects keys for Keys, Items and All. The zero value selects all.
type ListOptions struct {
	Pattern string // glob, as in "user:*"; "" is "*"
	Limit   int    // most keys returned; 0: all; less is ErrInvalid
	After   string // only keys behind this one
}

func (o ListOptions) compile() (*glob.Pattern, error) {
	if o.Limit < 0 {
		return nil, kverr.Errorf(ErrInvalid, "limit is %d; use 0 (all) or more", o.Limit)
	}
	if o.Pattern == "" {
		return &glob.Pattern{}, nil
	}
	return glob.Compile(o.Pattern)
}

// Item is a key with its decoded value.
type Item struct {
	Key   string
	Value any
}

// Keys returns the live keys that o selects, sorted by their bytes. More than
// MaxOperationBytes of them is ErrTooLarge: page with Limit and After, or use All.
func (h *Handle) Keys(ctx context.Context, o ListOptions) ([]string, error) {
	p, err := o.compile()
	if err != nil {
		return nil, inCall("keys", err)
	}
	var keys []string
	err = h.collect(ctx, p, o.Limit, o.After, 0, func() { keys = nil }, func(e Entry) error {
		keys = append(keys, e.Key)
		return nil
	})
	if err != nil {
		return nil, inCall("keys", err)
	}
	return keys, nil
}

// Items returns the live keys that o selects with their values, sorted by key and
// bounded as those of Keys.
func (h *Handle) Items(ctx context.Context, o ListOptions) ([]Item, error) {
	p, err := o.compile()
	if err != nil {
		return nil, inCall("items", err)
	}
	var items []Item
	err = h.collect(ctx, p, o.Limit, o.After, NeedValue, func() { items = nil }, func(e Entry) error {
		v, err := h.decodeCounted(ctx, e.Key, e.Value)
		if err != nil {
			return err
		}
		items = append(items, Item{e.Key, v})
		return nil
	})
	if err != nil {
		return nil, inCall("items", err)
	}
	return items, nil
}

// Count returns the number of live keys that pattern selects, page by page. "" and
// "*" are all of them: a store, but not a view, knows their number without a walk.
func (h *Handle) Count(ctx context.Context, pattern string) (int, error) {
	p, err := ListOptions{Pattern: pattern}.compile()
	if err != nil {
		return 0, inCall("count", err)
	}
	n, err := h.countMatching(ctx, p)
	return n, inCall("count", err)
}

// All returns the live keys that o selects with their values, in order, for range.
// It holds one page of them at a time and runs the loop's body outside every
// lock; so it may change the store. Each page is of one moment. A key that is
// there all the time comes exactly once. An error comes last, with no Item.
func (h *Handle) All(ctx context.Context, o ListOptions) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		p, err := o.compile()
		if err == nil {
			err = h.walk(ctx, p, o.Limit, o.After, NeedValue, func(e Entry) (bool, error) {
				v, err := h.decode(ctx, e.Key, e.Value)
				if err != nil {
					return false, err
				}
				return yield(Item{e.Key, v}, nil), nil
			})
		}
		if err != nil {
			yield(Item{}, inCall("all", err))
		}
	}
}

// DeleteMatching removes the keys that pattern selects and returns how many it
// removed, also where it fails. It goes page by page: keys that are set meanwhile
// may stay. "*" is all keys; an empty pattern is ErrType and removes none.
func (h *Handle) DeleteMatching(ctx context.Context, pattern string) (int, error) {
	p, err := removalPattern(pattern)
	if err != nil {
		return 0, inCall("delete_matching", err)
	}
	n, err := h.deleteMatching(ctx, p)
	return n, inCall("delete_matching", err)
}

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
	e, err := h.store.Load(ctx, key, need)
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
