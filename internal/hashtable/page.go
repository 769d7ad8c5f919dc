package hashtable

import (
	"slices"
	"sort"
	"strings"
	"unsafe"
)

// View selects the keys of a page of a table.
type View struct {
	From    string // the least key
	To      string // less than this; "": no limit
	Reverse bool   // the greatest key first
	Values  bool   // the page needs records
	Limit   int    // most keys to look at
}

// Page calls each for the keys of a view in its order, until it returns false. more reports
// whether more keys can follow, and last is the last key that Page visited. The page shows one
// moment: other callers cannot write meanwhile, so each must be fast, and the name is valid
// only until it returns. A key that cannot have expired comes without its record, nil, if
// values are not wanted.
func (t *Table) Page(v View, each func(name string, r *Record) bool) (more bool, last string) {
	if v.Values {
		t.lockAll()
		defer t.unlockAll()
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	p := pager{View: v, t: t, each: each, fetch: v.Values || t.due.n > 0 || t.names.dead > 0 || !t.settled()}
	p.leaves()
	return p.more, strings.Clone(p.last)
}

type pager struct {
	View
	t      *Table
	each   func(name string, r *Record) bool
	fetch  bool // each key's record is needed
	f      fetcher
	looked int
	more   bool
	last   string // in a leaf
}

// leaves looks at the leaves that can hold keys of the view, in its order.
func (p *pager) leaves() {
	leaves := p.t.names.ascending(p.From)
	if p.Reverse {
		leaves = p.t.names.descending(p.To)
	}
	for l := range leaves {
		if !p.leaf(l) {
			return
		}
	}
}

// leaf visits the keys of a leaf, and reports whether to continue.
func (p *pager) leaf(l *leaf) bool {
	n := len(l.begins)
	i, end := 0, n
	if l.key(0) < p.From {
		i = sort.Search(n, func(i int) bool { return l.key(i) >= p.From })
	}
	if p.To != "" && l.key(n-1) >= p.To {
		end = i + sort.Search(n-i, func(j int) bool { return l.key(i+j) >= p.To })
	}
	further := end == n
	if p.Reverse {
		further = i == 0
	}
	for i < end {
		count := min(end-i, fetched, p.Limit-p.looked)
		if count == 0 {
			p.more = true
			return false
		}
		from := i
		if p.Reverse {
			end -= count
			from = end
		} else {
			i += count
		}
		if !p.names(l, from, from+count) {
			return false
		}
	}
	return further
}

// names looks at keys i to j of a leaf.
func (p *pager) names(l *leaf, i, j int) bool {
	if p.fetch {
		var hashes [fetched]uint64
		for k := i; k < j; k++ {
			hashes[k-i] = p.t.hash(l.key(k))
		}
		p.f.fetch(p.t, hashes[:j-i])
		for k := i; k < j; k++ {
			name, at := l.key(k), k-i
			if r := p.f.records[at]; r == nil || r.Key() != name {
				p.f.records[at] = p.t.shard(hashes[at]).find(hashes[at], name).record
			}
			p.f.records[at] = p.t.sight(p.f.records[at])
		}
	}
	for n := range j - i {
		k := i + n
		if p.Reverse {
			k = j - 1 - n
		}
		p.looked++
		p.last = l.key(k)
		r := p.f.records[k-i]
		if p.fetch && r == nil {
			continue // a sweep or a batch took it
		}
		if !p.each(p.last, r) {
			p.more = true
			return false
		}
	}
	return true
}

// Taken holds the names and records that a page copied from a table, to be examined after other
// callers can write again. It is reused for many pages.
type Taken struct {
	names   []byte
	ends    []int // of the names
	records []*Record
	added   uint64 // names that there had been
	live    bool   // none of the names can have expired
	chosen  []int
}

// Take takes the names of a view, up to a number of bytes, live or not. Pick reads the records
// of the names that are then chosen.
func (t *Table) Take(v View, taken *Taken, bytes int) (more bool, last string) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	taken.added, taken.live = t.names.added, t.due.n == 0 && t.names.dead == 0 && t.settled()
	p := pager{View: v, t: t, each: func(name string, _ *Record) bool {
		taken.Add(name, nil)
		return len(taken.names) < bytes
	}}
	p.leaves()
	return p.more, strings.Clone(p.last)
}

// Choose marks the i-th name as chosen, and returns the number of chosen names.
func (t *Taken) Choose(i int) int {
	t.chosen = append(t.chosen, i)
	return len(t.chosen)
}

// Live reports whether all names were names of live keys when they were taken.
func (t *Taken) Live() bool { return t.live }

// Each calls each for the chosen names.
func (t *Taken) Each(each func(name string, r *Record) bool) {
	for _, i := range t.chosen {
		if !each(t.At(i)) {
			return
		}
	}
}

// Pick is Page for the chosen names. It reports false if a name that belongs on the page was
// added after they were taken.
func (t *Table) Pick(values bool, taken *Taken, each func(name string, r *Record) bool) bool {
	if values {
		t.lockAll()
		defer t.unlockAll()
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.names.added != taken.added {
		return false
	}
	var f fetcher
	var hashes [fetched]uint64
	for chosen := range slices.Chunk(taken.chosen, fetched) {
		for k, i := range chosen {
			name, _ := taken.At(i)
			hashes[k] = t.hash(name)
		}
		f.fetch(t, hashes[:len(chosen)])
		for k, i := range chosen {
			name, _ := taken.At(i)
			r := f.records[k]
			if r == nil || r.Key() != name {
				r = t.shard(hashes[k]).find(hashes[k], name).record
			}
			if r = t.sight(r); r != nil && !each(name, r) {
				return true
			}
		}
	}
	return true
}

// Add takes a name and, if there is one, its record.
func (t *Taken) Add(name string, r *Record) {
	t.names = append(t.names, name...)
	t.ends = append(t.ends, len(t.names))
	if r != nil {
		t.records = append(t.records, r)
	}
}

// Len is the number of names, Bytes their size.
func (t *Taken) Len() int   { return len(t.ends) }
func (t *Taken) Bytes() int { return len(t.names) }

// At returns a name, valid until Reset, and its record, if all have one.
func (t *Taken) At(i int) (name string, r *Record) {
	begin := 0
	if i > 0 {
		begin = t.ends[i-1]
	}
	b := t.names[begin:t.ends[i]]
	if len(t.records) == len(t.ends) {
		r = t.records[i]
	}
	return unsafe.String(unsafe.SliceData(b), len(b)), r
}

// Reset empties t, and releases its records.
func (t *Taken) Reset() {
	clear(t.records)
	t.names, t.ends, t.records, t.chosen = t.names[:0], t.ends[:0], t.records[:0], t.chosen[:0]
}
