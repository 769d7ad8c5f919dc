package remote

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
	"github.com/scriptling-kv/extlibs/internal/sizes"
)

const (
	pageKeys  = 1000    // of a request for keys
	pageBytes = 8 << 20 // of values, after which a page ends
)

// Scan implements extlibs.Store.
func (s *store) Scan(ctx context.Context, r extlibs.Range) (extlibs.Page, error) {
	limit := pageKeys
	if r.Limit > 0 && r.Match == nil {
		limit = min(limit, r.Limit)
	}
	query := url.Values{}
	for name, text := range map[string]string{"prefix": r.Prefix, "after": r.After, "before": r.Before} {
		if text != "" {
			query.Set(name, text)
		}
	}
	read := s.keys
	if r.Need&extlibs.NeedValue != 0 && !r.Reverse {
		read = s.entries
	}
	var page extlibs.Page
	for {
		var err error
		query.Set("limit", strconv.Itoa(limit))
		page, err = read(ctx, query, &r, limit)
		if errors.Is(err, errTooLong) && limit > 1 { // of long keys
			limit = max(1, limit/16)
			continue
		}
		if err != nil {
			return extlibs.Page{}, err
		}
		break
	}
	if r.Match != nil {
		matching := page.Entries[:0]
		for _, e := range page.Entries {
			if r.Match(e.Key) {
				matching = append(matching, e)
			}
		}
		page.Entries = matching
	}
	if r.Reverse && r.Need&extlibs.NeedValue != 0 {
		return page, s.withValues(ctx, &page, r.Need)
	}
	return page, nil
}

// keys returns a page of keys with the time that they have left.
func (s *store) keys(ctx context.Context, query url.Values, r *extlibs.Range, limit int) (page extlibs.Page, err error) {
	if r.Reverse {
		query.Set("reverse", "1")
	}
	var answer struct {
		Keys []struct {
			Key *string  `json:"key"`
			TTL *float64 `json:"ttl"`
		} `json:"keys"`
		Next string `json:"next"`
	}
	if err := s.ask(ctx, http.MethodGet, "keys", query, nil, maxAnswer, &answer); err != nil {
		return page, err
	}
	if answer.Keys == nil || len(answer.Keys) > limit {
		return page, errStrange("the answer of the host is no page of keys")
	}
	order := order{r: r}
	for _, k := range answer.Keys {
		if k.Key == nil {
			return page, errStrange("the answer of the host has a key without a name")
		}
		if err := order.next(*k.Key); err != nil {
			return page, err
		}
		ttl, err := left(k.TTL)
		if err != nil {
			return page, err
		}
		page.Entries = append(page.Entries, extlibs.Entry{Key: *k.Key, TTL: ttl})
	}
	if page.Next = answer.Next; page.Next != "" {
		page.More = true
		if page.Next != order.last { // a search that took long ends beyond the last key
			err = order.next(page.Next)
		}
	}
	return page, err
}

// order checks that keys are those of a range, in its order: a host that sends others could
// keep a reader busy forever.
type order struct {
	r    *extlibs.Range
	last string
}

func (o *order) next(key string) error {
	r, low, high := o.r, o.r.After, o.r.Before
	if o.last != "" && r.Reverse {
		high = o.last
	} else if o.last != "" {
		low = o.last
	}
	o.last = key
	if key == "" || len(key) > extlibs.MaxKeyBytes || !utf8.ValidString(key) || !strings.HasPrefix(key, r.Prefix) || low != "" && key <= low || high != "" && key >= high {
		return errStrange("the answer of the host has keys that were not asked for")
	}
	return nil
}

// entries returns a page of entries, from an export of the host.
func (s *store) entries(ctx context.Context, query url.Values, r *extlibs.Range, limit int) (page extlibs.Page, err error) {
	body, err := s.send(ctx, http.MethodGet, "export", query, nil, "application/jsonl")
	if err != nil {
		return page, err
	}
	defer body.Close()
	lines := jsonl.NewReader(&markedReader{r: body}, s.maxValue)
	order, bytes := order{r: r}, 0
	for len(page.Entries) < limit && bytes < pageBytes {
		e, err := lines.Next()
		if err == io.EOF {
			return page, nil
		}
		if unavailable, ok := errors.AsType[*readError](err); ok {
			return page, unavailable.error
		}
		if err != nil {
			return page, errStrange("the answer of the host is no export: " + err.Error())
		}
		if err := order.next(e.Key); err != nil {
			return page, err
		}
		v := extlibs.RawValue(e.Value)
		bytes += len(e.Key) + v.Len()
		page.Entries = append(page.Entries, extlibs.Entry{Key: e.Key, Value: v, TTL: e.TTL})
	}
	page.More, page.Next = true, order.last
	return page, nil
}

// markedReader marks the errors of reading, so that they are told from those of a line.
type markedReader struct{ r io.Reader }

type readError struct{ error }

func (m *markedReader) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

// withValues adds the values to a page of keys.
func (s *store) withValues(ctx context.Context, page *extlibs.Page, need extlibs.Need) error {
	keys := make([]string, len(page.Entries))
	for i, e := range page.Entries {
		keys[i] = e.Key
	}
	entries, err := s.LoadMany(ctx, keys, need)
	page.Entries = entries
	return err
}

// Summary is the biggest keys and prefixes of a store.
type Summary struct {
	Keys     []sizes.Sized `json:"keys"`
	Prefixes []sizes.Sized `json:"prefixes"`
	Scanned  int64         `json:"scanned"`
	Bytes    int64         `json:"bytes"`
}

// Top lets the host of a store find its n biggest keys and prefixes.
func Top(ctx context.Context, text, pattern, prefix string, n int) (sum Summary, err error) {
	s, err := open(ctx, text, extlibs.DefaultMaxValueBytes)
	if err != nil {
		return sum, err
	}
	defer s.Close()
	query := url.Values{"n": {strconv.Itoa(n)}}
	if pattern != "" {
		query.Set("pattern", pattern)
	}
	if prefix != "" {
		query.Set("prefix", prefix)
	}
	return sum, s.ask(ctx, http.MethodGet, "top", query, nil, maxAnswer, &sum)
}
