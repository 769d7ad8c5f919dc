package extlibs

import (
	"context"
	"errors"
	"iter"

	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// ListOptions selects keys for Keys, Items and All. The zero value selects all keys.
type ListOptions struct {
	Pattern string // glob, as in "user:*"; "" is "*"
	Limit   int    // most keys returned; 0: all; less is ErrInvalid
	After   string // only keys behind this one
}

// selection is the keys that a call selects.
type selection struct {
	*glob.Pattern
	limit int // 0: all
	after string
}

func (o ListOptions) compile() (s selection, err error) {
	s = selection{&glob.Pattern{}, o.Limit, o.After}
	if o.Limit < 0 {
		return s, kverr.Errorf(ErrInvalid, "limit is %d; use 0 (all) or more", o.Limit)
	}
	if o.Pattern != "" {
		s.Pattern, err = glob.Compile(o.Pattern)
	}
	return s, err
}

// Item is a key with its decoded value.
type Item struct {
	Key   string
	Value any
}

// Keys returns the live keys that o selects, sorted by their bytes. More than
// MaxOperationBytes of keys is ErrTooLarge: page with Limit and After, or use All.
func (h *Handle) Keys(ctx context.Context, o ListOptions) ([]string, error) {
	s, err := o.compile()
	if err != nil {
		return nil, inCall("keys", err)
	}
	var keys []string
	err = h.collect(ctx, s, 0, func() { keys = nil }, func(e Entry) error {
		keys = append(keys, e.Key)
		return nil
	})
	if err != nil {
		return nil, inCall("keys", err)
	}
	return keys, nil
}

// Items returns the live keys that o selects with their values, sorted by key. Its limit
// is that of Keys.
func (h *Handle) Items(ctx context.Context, o ListOptions) ([]Item, error) {
	s, err := o.compile()
	if err != nil {
		return nil, inCall("items", err)
	}
	var items []Item
	err = h.collect(ctx, s, NeedValue, func() { items = nil }, func(e Entry) error {
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

// Count returns the number of live keys that pattern selects, page by page. "" and "*"
// select all keys: a store knows their number without a scan, a view counts them.
func (h *Handle) Count(ctx context.Context, pattern string) (int, error) {
	s, err := ListOptions{Pattern: pattern}.compile()
	if err != nil {
		return 0, inCall("count", err)
	}
	n, err := h.count(ctx, s)
	return n, inCall("count", err)
}

// All returns an iterator over the live keys that o selects, in order, with their values.
// It holds one page in memory and runs the body of the loop outside all locks, so the
// body can change the store. Each page shows one moment. A key that exists during the
// whole iteration is returned exactly once. If an error occurs, it is the last element,
// with no Item.
func (h *Handle) All(ctx context.Context, o ListOptions) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		s, err := o.compile()
		if err != nil {
			yield(Item{}, inCall("all", err))
			return
		}
		for e, err := range h.entries(ctx, s, NeedValue) {
			item := Item{Key: e.Key}
			if err == nil {
				item.Value, err = h.decode(ctx, e.Key, e.Value)
			}
			if err != nil {
				yield(Item{}, inCall("all", err))
				return
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// DeleteMatching removes the keys that pattern selects, page by page, and returns how
// many it removed, even if it fails. Keys that are set meanwhile can remain. "*" selects
// all keys; an empty pattern is ErrType and removes nothing.
func (h *Handle) DeleteMatching(ctx context.Context, pattern string) (int, error) {
	p, err := removalPattern(pattern)
	if err != nil {
		return 0, inCall("delete_matching", err)
	}
	n, err := h.deleteMatching(ctx, p)
	return n, inCall("delete_matching", err)
}

// pages returns the pages of a range, read with scan, up to r.Limit entries. After an
// error there are no more.
func pages(ctx context.Context, r Range, scan func(context.Context, Range) (Page, error)) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for {
			page, err := scan(ctx, r)
			n := len(page.Entries)
			last := !page.More || r.Limit > 0 && n >= r.Limit
			if last && r.Limit > 0 {
				page.Entries = page.Entries[:min(n, r.Limit)]
			}
			if !yield(page, err) || err != nil || last {
				return
			}
			r.After = page.Next
			if r.Limit > 0 {
				r.Limit -= n
			}
		}
	}
}

// pages returns the live entries that s selects, in order. A key that exists all the
// time comes once.
func (h *Handle) pages(ctx context.Context, s selection, need Need) iter.Seq2[Page, error] {
	r := Range{Prefix: s.Prefix, After: s.after, Match: s.Match, Need: need, Limit: s.limit}
	if s.Exact {
		return pages(ctx, r, h.exactPage)
	}
	return pages(ctx, r, h.page)
}

// exactPage returns the page of a range that is the key r.Prefix alone.
func (h *Handle) exactPage(ctx context.Context, r Range) (Page, error) {
	if r.Prefix <= r.After || h.checkKey(r.Prefix) != nil {
		return Page{}, nil
	}
	e, err := h.store.Load(ctx, r.Prefix, r.Need)
	switch {
	case errors.Is(err, ErrNotFound):
		return Page{}, nil
	case err != nil:
		return Page{}, h.inStore(r.Prefix, err)
	}
	return Page{Entries: []Entry{e}}, nil
}

// entries returns the entries of pages one by one.
func (h *Handle) entries(ctx context.Context, s selection, need Need) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for page, err := range h.pages(ctx, s, need) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page.Entries {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// scan calls begin, then each for the live entries that s selects, in order. If the
// store is cleared between two pages it starts over, so that no caller gets a part of
// the former keys.
func (h *Handle) scan(ctx context.Context, s selection, need Need, begin func(), each func(Entry) error) error {
restart:
	for {
		begin()
		epoch, first := uint64(0), true
		for page, err := range h.pages(ctx, s, need) {
			switch {
			case err != nil:
				return err
			case first:
				epoch, first = page.Epoch, false
			case page.Epoch != epoch:
				continue restart
			}
			for _, e := range page.Entries {
				if err := each(e); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// collect is scan for callers that keep what they get, values decoded: it counts the
// memory.
func (h *Handle) collect(ctx context.Context, s selection, need Need, begin func(), each func(Entry) error) error {
	var held budget
	return h.scan(ctx, s, need, func() {
		held = newBudget(ctx, h.opts.maxOperationBytes)
		begin()
	}, func(e Entry) error {
		if err := held.takeEntry(&e, need); err != nil {
			return h.inStore(damagedKey(e.Key, err), err)
		}
		return each(e)
	})
}

// count returns the number of live keys that s selects.
func (h *Handle) count(ctx context.Context, s selection) (n int, err error) {
	if s.All() {
		return h.len(ctx)
	}
	err = h.scan(ctx, s, 0, func() { n = 0 }, func(Entry) error { n++; return nil })
	return n, err
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
	if p.Exact { // also an entry that cannot be read
		if h.checkKey(p.Prefix) != nil {
			return 0, nil
		}
		return h.deleteKeys(ctx, []string{p.Prefix}, h.applyPage)
	}
	for page, err := range h.pages(ctx, selection{Pattern: p}, 0) {
		if err != nil {
			return deleted, err
		}
		n, err := h.deleteKeys(ctx, page.keys(), h.applyPage)
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

func (p *Page) keys() []string {
	keys := make([]string, len(p.Entries))
	for i, e := range p.Entries {
		keys[i] = e.Key
	}
	return keys
}
