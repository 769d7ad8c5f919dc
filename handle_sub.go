package extlibs

import (
	"cmp"
	"context"
	"strings"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Sub returns a view of the keys that start with prefix; its calls take and return keys
// without the prefix. Views nest. The key that equals the prefix is not in the view. Prefix
// and key together have at most MaxKeyBytes; if no key can start with the prefix, the calls
// fail with ErrInvalid. Clear removes the keys of the view page by page, so keys that are set
// meanwhile can remain. Count scans them, Close has no effect, and Stats returns the counters
// of the whole store. A view is cheap to create and need not be kept.
func (h *Handle) Sub(prefix string) *Handle {
	sub := &Handle{openStore: h.openStore, observer: h.observer, view: true, prefix: h.prefix + prefix, prefixErr: h.prefixErr}
	sub.store = &subStore{whole: h.whole, prefix: sub.prefix}
	switch {
	case !utf8.ValidString(prefix):
		sub.prefixErr = kverr.Errorf(ErrInvalid, "the prefix of the view is not valid UTF-8; encode other bytes, for example as hex")
	case len(sub.prefix) >= MaxKeyBytes:
		sub.prefixErr = kverr.Errorf(ErrInvalid, "the prefix of the view has %d bytes; a key with its prefix has at most %d", len(sub.prefix), MaxKeyBytes)
	}
	return sub
}

// subStore is the part of a store under a prefix.
type subStore struct {
	whole  Store
	prefix string
}

// strip takes the prefix off what the whole store returned. The key is a part of
// the string that it was.
func (s *subStore) strip(e *Entry) { e.Key = strings.TrimPrefix(e.Key, s.prefix) }

func (s *subStore) Load(ctx context.Context, key string, need Need) (Entry, error) {
	e, err := s.whole.Load(ctx, s.prefix+key, need)
	s.strip(&e)
	return e, err
}

func (s *subStore) LoadMany(ctx context.Context, keys []string, need Need) ([]Entry, error) {
	full := make([]string, len(keys))
	for i, key := range keys {
		full[i] = s.prefix + key
	}
	entries, err := s.whole.LoadMany(ctx, full, need)
	for i := range entries {
		s.strip(&entries[i])
	}
	return entries, err
}

func (s *subStore) Apply(ctx context.Context, op Op) (Result, error) {
	op.Key = s.prefix + op.Key
	return s.whole.Apply(ctx, op)
}

func (s *subStore) ApplyMany(ctx context.Context, ops []Op) ([]Result, error) {
	full := make([]Op, len(ops))
	for i, op := range ops {
		full[i] = op
		full[i].Key = s.prefix + op.Key
	}
	return s.whole.ApplyMany(ctx, full)
}

func (s *subStore) Scan(ctx context.Context, r Range) (Page, error) {
	r = rangeUnder(s.prefix, r)
	if match := r.Match; match != nil {
		r.Match = func(key string) bool { return match(key[len(s.prefix):]) }
	}
	page, err := s.whole.Scan(ctx, r)
	for i := range page.Entries {
		s.strip(&page.Entries[i])
	}
	page.Next = strings.TrimPrefix(page.Next, s.prefix)
	return page, err
}

// rangeUnder returns a range of a view as one of the whole store. Its Match still takes keys
// of the view.
func rangeUnder(prefix string, r Range) Range {
	r.Prefix, r.After = prefix+r.Prefix, prefix+r.After // after the prefix itself
	if r.Before != "" {
		r.Before = prefix + r.Before
	}
	return r
}

func (s *subStore) Len(ctx context.Context) (n int, err error) {
	err = s.pages(ctx, func(page Page) error { n += len(page.Entries); return nil })
	return n, err
}

func (s *subStore) Clear(ctx context.Context) error {
	return s.pages(ctx, func(page Page) error {
		_, err := s.ApplyMany(ctx, deletions(page.keys()))
		return err
	})
}

// pages calls each for the pages of all keys.
func (s *subStore) pages(ctx context.Context, each func(Page) error) error {
	for page, err := range pages(ctx, Range{}, s.Scan) {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		if err := each(page); err != nil {
			return err
		}
	}
	return nil
}

func (s *subStore) Close() error { return nil }
