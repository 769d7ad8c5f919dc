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

// Load implements extlibs.Store. A value without expiry takes one plain command. Where
// values have one, the time goes before it: a value whose deadline was ahead then is live,
// also where another call stores it after that.
func (s *store) Load(ctx context.Context, key string, need extlibs.Need) (extlibs.Entry, error) {
	if need&extlibs.NeedValue == 0 {
		entries, err := s.loadTTLs(ctx, []string{key})
		return only(entries, err)
	}
	if s.seen.larges.has(key) {
		return s.loadLarge(ctx, key)
	}
	req := wire.Request{Command: []string{"HGET", s.keys[0], key}}
	timed := s.seen.expectsMortal()
	if timed {
		req.Before = timeCommand
	}
	m, err := s.do(ctx, reads, req)
	if err == nil && !timed && isMortal(m.Text) {
		s.seen.mortal()
		req.Before, timed = timeCommand, true
		m, err = s.do(ctx, reads, req)
	}
	switch {
	case err != nil:
		return extlibs.Entry{}, err
	case m.Kind == wire.Nil:
		return extlibs.Entry{}, extlibs.ErrNotFound
	case m.Kind != wire.Text:
		return extlibs.Entry{}, damaged()
	case isLarge(m.Text):
		s.seen.larges.set(key)
		return s.loadLarge(ctx, key)
	case !isMortal(m.Text):
		if timed {
			s.seen.mortals.Add(-1)
		}
		v, err := value(m.Text)
		return extlibs.Entry{Key: key, Value: v}, err
	}
	s.seen.mortal()
	now, ok := micros(&m.Before)
	if !ok {
		return extlibs.Entry{}, damaged()
	}
	e, live, err := entry(key, m.Text, now)
	if err == nil && !live {
		err = extlibs.ErrNotFound
	}
	s.sweeper.expect(e.TTL)
	return e, err
}

var timeCommand = []string{"TIME"}

// micros is the reply to TIME.
func micros(r *wire.Reply) (now int64, ok bool) {
	if len(r.List) != 2 {
		return 0, false
	}
	seconds, ok1 := r.List[0].Number()
	rest, ok2 := r.List[1].Number()
	return seconds*1e6 + rest, ok1 && ok2
}

// only is the entry of a single key.
func only(entries []extlibs.Entry, err error) (extlibs.Entry, error) {
	if err == nil && len(entries) == 0 {
		err = extlibs.ErrNotFound
	}
	if err != nil {
		return extlibs.Entry{}, err
	}
	return entries[0], nil
}

// loadLarge reads a large value over a separate connection, so that other calls do not wait.
func (s *store) loadLarge(ctx context.Context, key string) (extlibs.Entry, error) {
	e, err := only(s.loadValues(ctx, []string{key}, true))
	if err != nil || len(e.Value.Raw()) < largePayload {
		s.seen.larges.clear(key)
	}
	return e, err
}

// LoadMany implements extlibs.Store. The server ends what would be too large before
// it is sent.
func (s *store) LoadMany(ctx context.Context, keys []string, need extlibs.Need) ([]extlibs.Entry, error) {
	switch err := s.limits.check(len(keys)); {
	case err != nil:
		return nil, err
	case len(keys) == 0:
		return []extlibs.Entry{}, nil
	case need&extlibs.NeedValue == 0:
		return s.loadTTLs(ctx, keys)
	}
	return s.loadValues(ctx, keys, len(keys) > largeBatch)
}

// largeBatch is the number of keys from which a call is large, whatever their values.
const largeBatch = 10_000

func (s *store) loadValues(ctx context.Context, keys []string, large bool) ([]extlibs.Entry, error) {
	m, err := s.run(ctx, reads, scriptLoad, large, append([]string{strconv.Itoa(s.limits.operationBytes)}, keys...))
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
	entries := make([]extlibs.Entry, 0, len(keys))
	for i, key := range keys {
		if i+1 >= len(list) || list[i+1].Kind == wire.Nil {
			continue
		}
		if list[i+1].Kind != wire.Text {
			return nil, damaged()
		}
		e, live, err := entry(key, list[i+1].Text, now)
		if err != nil {
			return nil, err
		}
		if live {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// loadTTLs returns entries without values.
func (s *store) loadTTLs(ctx context.Context, keys []string) ([]extlibs.Entry, error) {
	m, err := s.exec(ctx, reads, scriptTTL, keys...)
	if err != nil {
		return nil, err
	}
	if len(m.List) != len(keys) {
		return nil, damaged()
	}
	entries := make([]extlibs.Entry, 0, len(keys))
	for i, key := range keys {
		left, ok := m.List[i].Number()
		switch {
		case !ok:
			return nil, damaged()
		case left == absent:
			continue
		case left == noExpiry:
			left = 0
		}
		entries = append(entries, extlibs.Entry{Key: key, TTL: time.Duration(left) * time.Microsecond})
	}
	return entries, nil
}

// What scriptTTL returns other than a remaining ttl.
const (
	noExpiry = -1
	absent   = -2
)

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

// bounds are the limits of a range of keys as ZRANGEBYLEX wants them.
func bounds(from, to string) (lower, upper string) {
	lower, upper = "["+from, "+"
	if from == "" {
		lower = "(" // without the entry that keeps the index in existence
	}
	if to != "" {
		upper = "(" + to
	}
	return lower, upper
}

// Scan implements extlibs.Store.
func (s *store) Scan(ctx context.Context, r extlibs.Range) (page extlibs.Page, err error) {
	from, to := r.Bounds()
	lower, upper := bounds(from, to)
	n := pageKeys
	if r.Limit > 0 && r.Match == nil {
		n = min(n, r.Limit)
	}
	payloads := "1"
	if r.Need == 0 {
		payloads = "0"
	}
	args := []string{lower, upper, strconv.Itoa(n), strconv.Itoa(pageBytes), payloads}
	if r.Reverse {
		args = append(args, "1")
	}
	m, err := s.exec(ctx, reads, scriptScan, args...)
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
	inRange := func(key string) bool { return key != "" && key >= from && (to == "" || key < to) }
	if page.More {
		page.Next = next
		if !inRange(next) {
			return page, damaged()
		}
	}
	before := ""
	for i := 4; i < len(list); i += 2 {
		if list[i].Kind != wire.Text || list[i+1].Kind != wire.Text {
			return page, damaged()
		}
		key, p := list[i].Text, list[i+1].Text
		ordered := before == "" || key > before && !r.Reverse || key < before && r.Reverse
		if !ordered || !inRange(key) || len(key) > extlibs.MaxKeyBytes || !utf8.ValidString(key) {
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
