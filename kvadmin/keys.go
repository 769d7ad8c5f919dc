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
	if !q.wantJSON {
		return q.browse()
	}
	form := q.r.URL.Query()
	s, err := selects(form)
	if err != nil {
		return err
	}
	if s.match != nil {
		end, err := q.beginScan()
		if err != nil {
			return err
		}
		defer end()
	}
	need := extlibs.NeedTTL
	if isTrue(form.Get("info")) {
		need = extlibs.NeedAll
	}
	entries, next, err := q.collect(s, need)
	if err != nil {
		return err
	}
	page := keyPage{Version: version, Keys: []keyInfo{}, Next: next}
	for _, e := range entries {
		k := keyInfo{Key: e.Key, TTL: seconds(e.TTL)}
		if need == extlibs.NeedAll && !e.Value.IsZero() {
			n := e.Value.Len()
			k.Type, k.Bytes = typeOf(e.Value), &n
		}
		page.Keys = append(page.Keys, k)
	}
	return q.answer(page)
}

// collect returns a page of entries, and the key after which the next page begins. A search
// that takes long ends with the entries found so far. Entries after infoBytes of values have
// none.
func (q *request) collect(s selection, need extlibs.Need) (found []extlibs.Entry, next string, err error) {
	if s.limit == 0 {
		s.limit = defaultLimit
	}
	s.limit = min(s.limit, maxLimit)
	until := time.Now().Add(searchTime)
	read := 0
	for more := true; more; {
		more = false
		for e, err := range q.entries(q.ctx, &s, need) {
			switch {
			case err != nil:
				return nil, "", err
			case !e.selected && time.Now().After(until):
				return found, e.Key, nil
			case !e.selected:
				continue
			case len(found) == s.limit:
				return found, found[len(found)-1].Key, nil
			}
			found = append(found, e.Entry)
			if read += e.Value.Len(); read > infoBytes && need&extlibs.NeedValue != 0 {
				need, more = need&^extlibs.NeedValue, true
				s.resume(e.Key)
				break
			}
			if s.match != nil && time.Now().After(until) {
				return found, e.Key, nil
			}
		}
	}
	return found, "", nil
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
	if !q.wantJSON {
		return q.countPage(s, n)
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
