package diskstore

import (
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/wal"
	"github.com/tidwall/btree"
)

// memtable holds changes that the file does not have: the states of keys, and a tombstone
// for each removed one. It also knows the states below it, in the immutable memtable or
// the file, so that live keys can be counted without looking at all of them.
type memtable struct {
	entries btree.Map[string, entry]
	cleared bool          // everything below it was removed first
	bytes   int64         // of keys and values, with boltfile.EntryOverhead each
	need    boltfile.Need // of its puts
	own     tally         // the states it holds
	hidden  tally         // the states below that it replaces
	end     wal.LSN       // of the last record in it, once it is immutable

	segments segments

	// Of a checkpoint that has written a part of it:
	emptied bool // cleared, and so has been the file
	part    part
}

// segments are the calls among the changes of a memtable whose operations are in a segment.
type segments struct {
	bytes int64 // of memtable.bytes, at first
	net   int64 // of memtable.need.Net, at first
}

type entry struct {
	boltfile.State
	below below
}

// below is the state that an entry hides, without its value.
type below struct {
	deadline int64
	exists   bool
	inFile   bool // the file has the entry, and below is the entry's own state
}

func belowOf(s boltfile.State) below { return below{deadline: s.Deadline, exists: s.Exists} }

func (b below) state() boltfile.State { return boltfile.State{Exists: b.exists, Deadline: b.deadline} }

// put gives a key a new state.
func (t *memtable) put(key string, was, next boltfile.State) {
	old, replaced := t.entries.Get(key)
	e := entry{next, belowOf(old.below.state())}
	switch {
	case replaced:
		t.uncount(key, old.State)
	case !t.cleared:
		e.below = belowOf(was)
		t.hidden.add(key, was)
	}
	if !next.Exists && !e.below.exists {
		t.entries.Delete(key) // a tombstone would hide nothing
		return
	}
	t.count(key, next)
	t.entries.Set(key, e)
}

// append is put for a key after all others.
func (t *memtable) append(key string, was, next boltfile.State) {
	if !next.Exists && !was.Exists {
		return
	}
	t.hidden.add(key, was)
	t.count(key, next)
	t.entries.Load(key, entry{next, belowOf(was)})
}

func (t *memtable) count(key string, s boltfile.State) {
	t.own.add(key, s)
	t.bytes += entryBytes(key, s.Value)
	t.need.Add(s.Need(key))
}

func (t *memtable) uncount(key string, s boltfile.State) {
	t.own.remove(key, s)
	t.bytes -= entryBytes(key, s.Value)
	t.need.Sub(s.Need(key))
}

func entryBytes(key, value string) int64 {
	return int64(len(key)+len(value)) + boltfile.EntryOverhead
}

// clear removes all keys, including those below.
func (t *memtable) clear() { *t = memtable{cleared: true} }

// clone returns a copy, which has the entries of t without copying them one by one. No other
// call is under way.
func (t *memtable) clone() *memtable {
	c := &memtable{cleared: t.cleared, bytes: t.bytes, need: t.need, end: t.end, segments: t.segments, emptied: t.emptied, part: t.part}
	c.entries = *t.entries.Copy()
	t.own.copyTo(&c.own)
	t.hidden.copyTo(&c.hidden)
	return c
}

// over moves the entries of t into the memtable below it, and returns the result.
func (t *memtable) over(below *memtable) *memtable {
	if t.cleared {
		return t
	}
	t.entries.Scan(func(key string, e entry) bool {
		below.put(key, e.below.state(), e.State)
		return true
	})
	return below
}

// under moves the entries of older, a memtable that is not cleared, into t above it.
func (t *memtable) under(older *memtable) {
	older.entries.Scan(func(key string, o entry) bool {
		e, replaced := t.entries.Get(key)
		switch {
		case !replaced:
			t.count(key, o.State)
			e = o
		default:
			t.hidden.remove(key, e.below.state())
			e.below = belowOf(o.below.state())
		}
		t.hidden.add(key, e.below.state())
		if !e.Exists && !e.below.exists {
			t.uncount(key, e.State)
			t.entries.Delete(key) // as in put
			return true
		}
		t.entries.Set(key, e)
		return true
	})
}

// wrote notes that the file has the entry of a key, while a checkpoint still writes others.
// A memtable that hides the whole file hides the entry too.
func (t *memtable) wrote(key string) {
	e, ok := t.entries.Get(key)
	if !ok {
		return
	}
	if !t.cleared {
		t.hidden.remove(key, e.below.state())
		t.hidden.add(key, e.State)
	}
	e.below = belowOf(e.State)
	e.below.inFile = true
	t.entries.Set(key, e)
}

// unwritten returns the keys that the file does not have: tombstones, and the others.
func (t *memtable) unwritten() (tombstones, puts []string) {
	t.entries.Scan(func(key string, e entry) bool {
		switch {
		case e.below.inFile || key <= t.part.to:
		case e.Exists:
			puts = append(puts, key)
		default:
			tombstones = append(tombstones, key)
		}
		return true
	})
	return tombstones, puts
}

// live returns how many live keys the memtable adds to those below it.
func (t *memtable) live(now int64) int64 {
	if t.cleared { // then nothing of the file counts
		return t.own.live(now)
	}
	n := t.own.live(now) - t.hidden.live(now)
	for i := range t.part.pieces {
		p := &t.part.pieces[i]
		n -= p.own.live(now) - p.hidden.live(now)
	}
	return n
}

// memtables are the visible changes that the file does not have.
type memtables struct {
	mutable   *memtable   // takes what becomes visible
	immutable []*memtable // below it, the oldest first: a checkpoint writes them to the file
}

// oldest returns the oldest immutable memtable, nil if there is none.
func (m *memtables) oldest() *memtable {
	if len(m.immutable) == 0 {
		return nil
	}
	return m.immutable[0]
}

// freeze makes the mutable memtable, whose last record ends at an LSN, immutable.
func (m *memtables) freeze(end wal.LSN) {
	m.mutable.end = end
	m.immutable, m.mutable = append(m.immutable, m.mutable), &memtable{}
}

// each visits the memtables from the newest on.
func (m *memtables) each(yield func(*memtable) bool) {
	t := m.mutable
	for below := len(m.immutable) - 1; yield(t) && below >= 0; below-- {
		t = m.immutable[below]
	}
}

// over returns the memtables that count in addition to the file as tx sees it, the lower
// first, and whether the file counts.
func (m *memtables) over(tx *boltfile.Tx) (tables []*memtable, file bool) {
	file = true
	add := func(t *memtable) {
		if t.cleared {
			tables, file = tables[:0], false
		}
		tables = append(tables, t)
	}
	for _, t := range m.immutable {
		if !tx.Has(t.end) {
			add(t)
		}
	}
	add(m.mutable)
	return tables, file
}

// copy returns a memtable with the changes of all, for write.
func (m *memtables) copy() *memtable {
	c := &memtable{}
	add := func(t *memtable) {
		if t.cleared || c.entries.Len() == 0 {
			c.cleared, c.entries = c.cleared || t.cleared, *t.entries.Copy()
			return
		}
		t.entries.Scan(func(key string, e entry) bool {
			c.entries.Set(key, e)
			return true
		})
	}
	for _, t := range m.immutable {
		add(t)
	}
	add(m.mutable)
	return c
}

// get looks a key up. found is false if only the file can tell.
func (m *memtables) get(key string) (s boltfile.State, found bool) {
	for t := range m.each {
		if e, ok := t.entries.Get(key); ok {
			return e.State, true
		}
		if t.cleared {
			return boltfile.State{}, true
		}
	}
	return boltfile.State{}, false
}

// hideFile reports whether nothing of the file counts.
func (m *memtables) hideFile() bool {
	for t := range m.each {
		if t.cleared {
			return true
		}
	}
	return false
}

// merged walks the keys of all memtables in order, or in the opposite order.
type merged struct {
	reverse bool
	iters   []btree.MapIter[string, entry] // newest first
	valid   []bool
}

// scan returns a walk that begins at the first key of a range. It does not end with it.
func (m *memtables) scan(r Range) *merged {
	g := &merged{reverse: r.Reverse}
	for t := range m.each {
		iter := t.entries.Iter()
		var valid bool
		switch {
		case !r.Reverse:
			valid = iter.Seek(r.From)
		case r.To != "" && iter.Seek(r.To):
			valid = iter.Prev()
		default:
			valid = iter.Last()
		}
		g.iters, g.valid = append(g.iters, iter), append(g.valid, valid)
		if t.cleared {
			break
		}
	}
	return g
}

// peek returns the next key and its state.
func (g *merged) peek() (key string, s boltfile.State, ok bool) {
	for i := range g.iters {
		if !g.valid[i] {
			continue
		}
		if k := g.iters[i].Key(); !ok || k < key && !g.reverse || k > key && g.reverse {
			key, s, ok = k, g.iters[i].Value().State, true
		}
	}
	return key, s, ok
}

// skip continues after a key that peek returned.
func (g *merged) skip(key string) {
	for i := range g.iters {
		switch {
		case !g.valid[i] || g.iters[i].Key() != key:
		case g.reverse:
			g.valid[i] = g.iters[i].Prev()
		default:
			g.valid[i] = g.iters[i].Next()
		}
	}
}
