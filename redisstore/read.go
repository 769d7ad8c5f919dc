package redisstore

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

// Load implements extlibs.Store. A value without expiry takes one plain command.
func (s *store) Load(ctx context.Context, key string, need extlibs.Need) (extlibs.Entry, error) {
	m, err := s.do(ctx, reads, wire.Request{Command: []string{"HGET", s.keys[0], key}})
	switch {
	case err != nil:
		return extlibs.Entry{}, err
	case m.Kind == wire.Nil:
		return extlibs.Entry{}, extlibs.ErrNotFound
	case m.Kind != wire.Text:
		return extlibs.Entry{}, damaged()
	}
	p := m.Text
	if !isMortal(p) {
		v, err := value(p)
		return extlibs.Entry{Key: key, Value: v}, err
	}
	entries, err := s.LoadMany(ctx, []string{key}, need)
	if err == nil && len(entries) == 0 {
		err = extlibs.ErrNotFound
	}
	if err != nil {
		return extlibs.Entry{}, err
	}
	return entries[0], nil
}

// LoadMany implements extlibs.Store. The server ends what would be too large before
// it is sent.
func (s *store) LoadMany(ctx context.Context, keys []string, need extlibs.Need) ([]extlibs.Entry, error) {
	entries := make([]extlibs.Entry, 0, len(keys))
	if len(keys) == 0 {
		return entries, nil
	}
	most := 0
	if need&extlibs.NeedValue != 0 {
		most = s.limits.operationBytes
	}
	m, err := s.exec(ctx, reads, scriptLoad, append([]string{strconv.Itoa(most)}, keys...)...)
	if err != nil {
		return nil, err
	}
	list := m.List
	if len(list) == 0 {
		return nil, damaged()
	}
	now, ok := list[0].Number()
	if !ok {
		return nil, damaged()
	}
	for i, key := range keys {
		if i+1 >= len(list) || list[i+1].Kind == wire.Nil {
			continue
		}
		if list[i+1].Kind != wire.Text {
			return nil, damaged()
		}
		p := list[i+1].Text
		e, live, err := entry(key, p, now)
		if err != nil {
			return nil, err
		}
		if most == 0 {
			e.Value = extlibs.Value{} // what the server sent in its place
		}
		if live {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// entry makes an entry of a payload, as it was at a time of the server's clock.
func entry(key, p string, now int64) (e extlibs.Entry, live bool, err error) {
	e.Key = strings.Clone(key)
	if isMortal(p) {
		deadline, rest, found := strings.Cut(p[1:], string(markMortal))
		at, err := strconv.ParseInt(deadline, 10, 64)
		if !found || err != nil {
			return e, false, damaged()
		}
		if at <= now {
			return e, false, nil
		}
		e.TTL, p = time.Duration(at-now)*time.Microsecond, rest
	}
	e.Value, err = value(p)
	return e, true, err
}

// Scan implements extlibs.Store.
func (s *store) Scan(ctx context.Context, r extlibs.Range) (page extlibs.Page, err error) {
	lower := "[" + r.Prefix
	if r.After >= r.Prefix && r.After != "" {
		lower = "(" + r.After
	}
	n := pageKeys
	if r.Limit > 0 && r.Match == nil {
		n = min(n, r.Limit)
	}
	payloads := "1"
	if r.Need == 0 {
		payloads = "0"
	}
	m, err := s.exec(ctx, reads, scriptScan, lower, behind(r.Prefix), strconv.Itoa(n), strconv.Itoa(pageBytes), payloads)
	if err != nil {
		return page, err
	}
	list := m.List
	if len(list) < 4 || len(list)%2 != 0 {
		return page, damaged()
	}
	epoch, ok1 := list[0].Number()
	more, ok2 := list[1].Number()
	next := list[2].Text
	now, ok3 := list[3].Number()
	if !ok1 || !ok2 || !ok3 || list[2].Kind != wire.Text {
		return page, damaged()
	}
	page.Epoch, page.More = uint64(epoch), more == 1
	if page.More {
		page.Next = next
		if next <= r.After {
			return page, damaged()
		}
	}
	before := r.After
	for i := 4; i < len(list); i += 2 {
		if list[i].Kind != wire.Text || list[i+1].Kind != wire.Text {
			return page, damaged()
		}
		key, p := list[i].Text, list[i+1].Text
		if key <= before || !strings.HasPrefix(key, r.Prefix) || len(key) > extlibs.MaxKeyBytes || !utf8.ValidString(key) {
			return page, damaged()
		}
		before = key
		if r.Match != nil {
			if ctx.Err() != nil {
				return extlibs.Page{}, ctx.Err()
			}
			if r.Limit > 0 && len(page.Entries) == r.Limit {
				page.More, page.Next = true, page.Entries[r.Limit-1].Key
				break
			}
			if !r.Match(key) {
				continue
			}
		}
		e, live := extlibs.Entry{Key: key}, true
		if r.Need != 0 {
			if e, live, err = entry(key, p, now); err != nil {
				return page, err
			}
		}
		if live {
			page.Entries = append(page.Entries, e)
		}
	}
	return page, nil
}

// behind is the upper bound of the keys with a prefix.
func behind(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return "(" + string(b[:i+1])
		}
	}
	return "+"
}

// Len implements extlibs.Store.
func (s *store) Len(ctx context.Context) (int, error) {
	m, err := s.exec(ctx, reads, scriptLen)
	if err != nil {
		return 0, err
	}
	if m.Kind != wire.Int {
		return 0, damaged()
	}
	return int(m.Int), nil
}
