package extlibs

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// ListOptions selects keys for Keys, Items and All. The zero value selects all keys.
type ListOptions struct {
	Pattern string // glob, as in "user:*:name"; "" is "*"
	Prefix  string // only keys that start with it, taken literally
	After   string // only keys greater than this one, also with Reverse
	Before  string // only keys less than this one, also with Reverse; "": no limit
	Limit   int    // maximum number of keys; 0: all; less is ErrInvalid
	Reverse bool   // the greatest key first; it is as fast as ascending order
}

// selection is the keys that a call selects.
type selection struct {
	Range
	exact   bool   // Prefix is the only key
	pattern string // as it was given
}

// firstKey is the least key; no key is less.
const firstKey = "\x00"

// selects returns the selection of o, whose Pattern is taken literally: the empty pattern
// selects no key.
func (o ListOptions) selects() (s selection, err error) {
	if o.Limit < 0 {
		return s, kverr.Errorf(ErrInvalid, "limit is %d; use 0 (all) or more", o.Limit)
	}
	p, err := glob.Compile(o.Pattern)
	if err != nil {
		return s, err
	}
	// Limits that are longer than keys say the same as shorter ones. A backend need not
	// copy or send them.
	if len(o.After) > MaxKeyBytes {
		o.After = o.After[:MaxKeyBytes]
	}
	if len(o.Before) > MaxKeyBytes {
		o.Before = o.Before[:MaxKeyBytes] + "\x00"
	}
	s.Range = Range{Prefix: p.Prefix, After: o.After, Before: o.Before, Reverse: o.Reverse, Match: p.Match, Limit: o.Limit}
	s.exact, s.pattern = p.Exact, o.Pattern
	switch {
	case len(o.Prefix) > MaxKeyBytes:
		s.Prefix, s.Before, s.exact = "", firstKey, false
	case strings.HasPrefix(p.Prefix, o.Prefix):
	case strings.HasPrefix(o.Prefix, p.Prefix) && !p.Exact:
		s.Prefix = o.Prefix
	default: // no key has both prefixes
		s.Prefix, s.Before, s.exact = o.Prefix, firstKey, false
	}
	return s, nil
}

// compile is selects for Go code, where an empty pattern selects all keys.
func (o ListOptions) compile() (selection, error) {
	if o.Pattern == "" {
		o.Pattern = "*"
	}
	return o.selects()
}

// all reports whether s selects all keys of a store.
func (s *selection) all() bool {
	from, to := s.Bounds()
	return from == "" && to == "" && s.Match == nil && !s.exact
}

// Item is a key with its decoded value and its remaining time.
type Item struct {
	Key   string
	Value any
	TTL   time.Duration // 0: no expiry
}

// Keys returns the live keys that o selects, sorted by their bytes, or in the opposite
// order with Reverse. More than MaxOperationBytes of keys is ErrTooLarge: page with Limit
// and After, or use All.
func (h *Handle) Keys(ctx context.Context, o ListOptions) ([]string, error) {
	if h.observer != nil {
		return observed(ctx, h, "keys", func(h *Handle) ([]string, error) { return h.Keys(ctx, o) })
	}
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

// Items returns the live keys that o selects with their values, in the order of Keys. Its
// limit is that of Keys.
func (h *Handle) Items(ctx context.Context, o ListOptions) ([]Item, error) {
	if h.observer != nil {
		return observed(ctx, h, "items", func(h *Handle) ([]Item, error) { return h.Items(ctx, o) })
	}
	s, err := o.compile()
	if err != nil {
		return nil, inCall("items", err)
	}
	var items []Item
	err = h.collect(ctx, s, NeedAll, func() { items = nil }, func(e Entry) error {
		v, err := h.decodeCounted(ctx, e.Key, e.Value)
		if err != nil {
			return err
		}
		items = append(items, Item{e.Key, v, e.TTL})
		return nil
	})
	if err != nil {
		return nil, inCall("items", err)
	}
	return items, nil
}

// Count returns the number of live keys that pattern selects, page by page. "" and "*" select
// all keys; counting them needs no scan, except in a view.
func (h *Handle) Count(ctx context.Context, pattern string) (int, error) {
	if h.observer != nil {
		return observed(ctx, h, "count", func(h *Handle) (int, error) { return h.Count(ctx, pattern) })
	}
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
	if h.observer != nil {
		return observedSeq(ctx, h, "all", func(h *Handle) iter.Seq2[Item, error] { return h.All(ctx, o) })
	}
	return func(yield func(Item, error) bool) {
		s, err := o.compile()
		if err != nil {
			yield(Item{}, inCall("all", err))
			return
		}
		for e, err := range h.entries(ctx, s, NeedAll) {
			item := Item{Key: e.Key, TTL: e.TTL}
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
	if h.observer != nil {
		return observed(ctx, h, "delete_matching", func(h *Handle) (int, error) { return h.DeleteMatching(ctx, pattern) })
	}
	s, err := removal(pattern, "")
	if err != nil {
		return 0, inCall("delete_matching", err)
	}
	n, err := h.deleteMatching(ctx, s)
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
			r.Resume(page.Next)
			if r.Limit > 0 {
				r.Limit -= n
			}
		}
	}
}

// pages returns the live entries that s selects, in order. A key that exists all the
// time comes once.
func (h *Handle) pages(ctx context.Context, s selection, need Need) iter.Seq2[Page, error] {
	s.Need = need
	if s.exact {
		return pages(ctx, s.Range, h.exactPage)
	}
	return pages(ctx, s.Range, h.page)
}

// exactPage returns the page of a range that is the key r.Prefix alone.
func (h *Handle) exactPage(ctx context.Context, r Range) (Page, error) {
	if from, to := r.Bounds(); r.Prefix < from || to != "" && r.Prefix >= to || h.checkKey(r.Prefix) != nil {
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
// the previous keys.
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
	if s.all() {
		return h.len(ctx)
	}
	err = h.scan(ctx, s, 0, func() { n = 0 }, func(Entry) error { n++; return nil })
	return n, err
}

// removal selects the keys that are removed. An empty pattern selects every key in some
// calls and none in others, so it is refused.
func removal(pattern, prefix string) (selection, error) {
	if pattern == "" {
		return selection{}, kverr.Errorf(ErrType, `pattern is empty; use "*" to remove every key, or a pattern such as "user:*"`)
	}
	return ListOptions{Pattern: pattern, Prefix: prefix}.selects()
}

// deleteMatching removes the keys that s selects, page by page.
func (h *Handle) deleteMatching(ctx context.Context, s selection) (deleted int, err error) {
	if s.exact { // also an entry that cannot be read
		if h.checkKey(s.Prefix) != nil {
			return 0, nil
		}
		return h.deleteKeys(ctx, []string{s.Prefix}, h.applyPage)
	}
	for page, err := range h.pages(ctx, s, 0) {
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
