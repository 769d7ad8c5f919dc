package kvadmin

import (
	"time"

	"github.com/scriptling-kv/extlibs"
)

// keyInfo describes a key in a list, as JSON.
type keyInfo struct {
	Key   string   `json:"key"`
	TTL   *float64 `json:"ttl"`             // seconds; null: no expiry
	Type  string   `json:"type,omitempty"`  // if asked for
	Bytes *int     `json:"bytes,omitempty"` // of the encoded value, if asked for
}

// keyPage is a page of keys.
type keyPage struct {
	Version int       `json:"version"`
	Keys    []keyInfo `json:"keys"`
	Next    string    `json:"next,omitempty"` // the after, or before if reverse, of the next page; "": there is none
}

// infoBytes is how many bytes of values a list reads for types and sizes.
const infoBytes = 8 << 20

func (q *request) keys() error {
	form := q.r.URL.Query()
	s, err := selects(form)
	if err != nil {
		return err
	}
	page, err := q.listKeys(s, isTrue(form.Get("info")))
	if err != nil {
		return err
	}
	return q.answer(page)
}

// listKeys returns a page of keys. A search that takes long ends with the keys found so far.
func (q *request) listKeys(s selection, info bool) (keyPage, error) {
	if s.limit == 0 {
		s.limit = defaultLimit
	}
	s.limit = min(s.limit, maxLimit)
	if s.match != nil {
		end, err := q.beginScan()
		if err != nil {
			return keyPage{}, err
		}
		defer end()
	}
	page := keyPage{Version: version, Keys: []keyInfo{}}
	until := time.Now().Add(searchTime)
	last, read := "", 0
	need := extlibs.NeedTTL
	if info {
		need |= extlibs.NeedValue
	}
	more := true
	for more {
		more = false
		for e, err := range q.entries(q.ctx, &s, need) {
			switch {
			case err != nil:
				return page, err
			case !e.selected && time.Now().After(until):
				page.Next = e.Key
				return page, nil
			case !e.selected:
				continue
			case len(page.Keys) == s.limit:
				page.Next = last
				return page, nil
			}
			k := keyInfo{Key: e.Key, TTL: seconds(e.TTL)}
			if need&extlibs.NeedValue != 0 {
				n := e.Value.Len()
				k.Type, k.Bytes = typeOf(e.Value), &n
				read += n
			}
			page.Keys = append(page.Keys, k)
			last = e.Key
			if read > infoBytes && need&extlibs.NeedValue != 0 { // the rest of the page without types and sizes
				need, s.after, more = extlibs.NeedTTL, e.Key, true
				break
			}
		}
	}
	return page, nil
}

func (q *request) count() error {
	s, err := selects(q.r.URL.Query())
	if err != nil {
		return err
	}
	n, err := q.countKeys(s)
	if err != nil {
		return err
	}
	return q.answer(map[string]any{"version": version, "count": n})
}

// countKeys counts the selected keys.
func (q *request) countKeys(s selection) (n int, err error) {
	if s.all() && q.opts.Hide == nil {
		return q.store.Store().Len(q.ctx)
	}
	end, err := q.beginScan()
	if err != nil {
		return 0, err
	}
	defer end()
	for e, err := range q.entries(q.ctx, &s, 0) {
		if err != nil {
			return n, err
		}
		if e.selected {
			n++
		}
	}
	return n, nil
}
