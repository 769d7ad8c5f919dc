package kvadmin

import (
	"context"
	"iter"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/glob"
)

// selection is the keys that a request selects.
type selection struct {
	prefix, pattern, after, before string
	reverse                        bool
	limit                          int // 0: all
	match                          func(key string) bool
	from                           string // every selected key starts with it
}

// Limits of a page of keys.
const (
	defaultLimit = 100
	maxLimit     = 10_000
)

// selects reads a selection from the fields of a request.
func selects(form url.Values) (s selection, err error) {
	s = selection{
		prefix: form.Get("prefix"), pattern: form.Get("pattern"), after: form.Get("after"), before: form.Get("before"),
		reverse: isTrue(form.Get("reverse")),
	}
	if text := form.Get("limit"); text != "" {
		s.limit, err = strconv.Atoi(text)
		if err != nil || s.limit < 0 {
			return s, fail(400, "invalid", "limit is %.20q; use a number, 0 for no limit", text)
		}
	}
	return s, s.compile()
}

func isTrue(text string) bool {
	b, err := strconv.ParseBool(text)
	return b && err == nil
}

func (s *selection) compile() error {
	s.from = s.prefix
	if s.pattern == "" {
		return nil
	}
	p, err := glob.Compile(s.pattern)
	if err != nil {
		return err
	}
	if strings.HasPrefix(p.Prefix, s.from) {
		s.from = p.Prefix
	}
	if !p.All() {
		s.match = p.Selects
	}
	return nil
}

// has reports whether a key that starts with s.from is selected.
func (s *selection) has(key string) bool {
	return strings.HasPrefix(key, s.prefix) && (s.match == nil || s.match(key))
}

// resume makes s the keys after one that it selected.
func (s *selection) resume(key string) {
	if s.reverse {
		s.before = key
	} else {
		s.after = key
	}
}

// all reports whether every key is selected.
func (s *selection) all() bool {
	return s.from == "" && s.match == nil && s.after == "" && s.before == ""
}

// scanned is an entry that a scan has come to. Unless selected, it is only the key up to
// which the store was read.
type scanned struct {
	extlibs.Entry
	selected bool
}

// entries returns the entries that s selects and that are not hidden, in order, and after
// each page the key that the page ended with. Pages have at most pageSize entries, so that
// a scan keeps no other caller waiting for long.
func (q *request) entries(ctx context.Context, s *selection, need extlibs.Need) iter.Seq2[scanned, error] {
	return func(yield func(scanned, error) bool) {
		pages := 0
		r := extlibs.Range{Prefix: s.from, After: s.after, Before: s.before, Reverse: s.reverse, Need: need, Limit: pageSize}
		for {
			page, err := q.store.Store().Scan(ctx, r)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(scanned{}, err)
				return
			}
			for _, e := range page.Entries {
				if s.has(e.Key) && !q.hides(e.Key) && !yield(scanned{e, true}, nil) {
					return
				}
			}
			if !page.More || !yield(scanned{Entry: extlibs.Entry{Key: page.Next}}, nil) {
				return
			}
			r.Resume(page.Next)
			if pages++; pages%pagesBetweenPauses == 0 {
				time.Sleep(pause)
			}
		}
	}
}

const (
	pageSize = 256 // entries that a scan reads at once

	// A scan is in no hurry, the host's calls are: it pauses about once a millisecond. Without
	// pauses the system's scheduler let writes to a file wait for 5 ms on two processors.
	pagesBetweenPauses = 4
	pause              = 50 * time.Microsecond
)

func (q *request) hides(key string) bool { return q.opts.Hide != nil && q.opts.Hide(q.name, key) }

// seconds returns the remaining ttl in seconds, nil for no expiry.
func seconds(left time.Duration) *float64 {
	if left <= 0 {
		return nil
	}
	s := left.Seconds()
	return &s
}
