package diskstore

import (
	"encoding/binary"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/wal"
	"github.com/tidwall/btree"
)

// layer is a part of the write-back buffer: what keys have become since the layer
// below it, which is another one or the file. A key that is gone is a tombstone.
// A layer knows of each of its keys what is below, so that live keys can be
// counted without a look at all of them.
type layer struct {
	entries btree.Map[string, entry]
	cleared bool  // what is below is gone
	bytes   int64 // of keys and values, with boltfile.EntryOverhead each
	weight  boltfile.Need
	emptied bool  // cleared, and the file has been cleared; see squeeze
	part    part  // that the file has of it, while a checkpoint writes the rest
	own     tally // what the layer stores
	hidden  tally // what it hides of the one below

	end wal.Pos // of the last record in it; set once nothing is added any more
}

type entry struct {
	boltfile.State
	below boltfile.State // without its value
	filed bool           // below is this entry; see squeeze
}

func (l *layer) empty() bool { return l.entries.Len() == 0 && !l.cleared }

// put makes next of a key, which was something else until now.
func (l *layer) put(key string, was, next boltfile.State) {
	old, replaced := l.entries.Get(key)
	e := entry{State: next, below: old.below}
	switch {
	case replaced:
		l.own.remove(key, old.State)
		l.bytes -= int64(len(key)+len(old.Value)) + boltfile.EntryOverhead
		l.weight.Sub(old.Need(key))
	case !l.cleared:
		e.below = boltfile.State{Exists: was.Exists, Deadline: was.Deadline}
		l.hidden.add(key, e.below)
	}
	if !next.Exists && !e.below.Exists {
		l.entries.Delete(key) // nothing over nothing
		return
	}
	l.own.add(key, next)
	l.bytes += int64(len(key)+len(next.Value)) + boltfile.EntryOverhead
	l.weight.Add(next.Need(key))
	l.entries.Set(key, e)
}

// append is put for keys that come in their order, behind all that are there.
func (l *layer) append(key string, was, next boltfile.State) {
	below := boltfile.State{Exists: was.Exists, Deadline: was.Deadline}
	if !next.Exists && !below.Exists {
		return
	}
	l.hidden.add(key, below)
	l.own.add(key, next)
	l.bytes += int64(len(key)+len(next.Value)) + boltfile.EntryOverhead
	l.weight.Add(next.Need(key))
	l.entries.Load(key, entry{State: next, below: below})
}

// clear makes everything go, also what is below.
func (l *layer) clear() { *l = layer{cleared: true} }

// over puts l on top of below, which takes it in, and returns the two as one.
func (l *layer) over(below *layer) *layer {
	if l.cleared {
		return l
	}
	l.entries.Scan(func(key string, e entry) bool {
		below.put(key, e.below, e.State)
		return true
	})
	return below
}

// file notes that the file has the entry of a key, while the rest of the layer is
// still to be written. Where the layer hides all of the file, so does this.
func (l *layer) file(key string) {
	e, ok := l.entries.Get(key)
	if !ok {
		return
	}
	was := e.below
	e.below, e.filed = boltfile.State{Exists: e.Exists, Deadline: e.Deadline}, true
	if !l.cleared {
		l.hidden.remove(key, was)
		l.hidden.add(key, e.below)
	}
	l.entries.Set(key, e)
}

// unfiled returns the keys that the file lacks: those to be removed, and the others.
func (l *layer) unfiled() (gone, puts []string) {
	l.entries.Scan(func(key string, e entry) bool {
		switch {
		case e.filed || key <= l.part.to:
		case e.Exists:
			puts = append(puts, key)
		default:
			gone = append(gone, key)
		}
		return true
	})
	return gone, puts
}

// live counts what the layer adds to the live keys of those below.
func (l *layer) live(now int64) int64 {
	if l.cleared { // then nothing of the file counts
		return l.own.live(now, "")
	}
	return l.own.live(now, l.part.to) - l.part.own - (l.hidden.live(now, l.part.to) - l.part.hidden)
}

// write brings the whole of a layer into the file.
func (l *layer) write(t *boltfile.Tx) error {
	if l.cleared {
		if err := t.Clear(); err != nil {
			return err
		}
	}
	var err error
	l.entries.Scan(func(key string, e entry) bool {
		err = t.SetState(key, e.State)
		return err == nil
	})
	return err
}

// tally counts states, and knows which of them expire when.
type tally struct {
	n         int64
	deadlines btree.Set[string] // deadline, big-endian, and key
}

// deadlineBytes is the size of a deadline.
const deadlineBytes = 8

func deadlineKey(key string, deadline int64) string {
	b := make([]byte, 0, deadlineBytes+len(key))
	return string(append(binary.BigEndian.AppendUint64(b, uint64(deadline)), key...))
}

func (c *tally) add(key string, s boltfile.State) {
	if !s.Exists {
		return
	}
	c.n++
	if s.Deadline > 0 {
		c.deadlines.Insert(deadlineKey(key, s.Deadline))
	}
}

func (c *tally) remove(key string, s boltfile.State) {
	if !s.Exists {
		return
	}
	c.n--
	if s.Deadline > 0 {
		c.deadlines.Delete(deadlineKey(key, s.Deadline))
	}
}

// live counts the states that have not expired. Those of keys up to after count in any
// case.
func (c *tally) live(now int64, after string) int64 {
	n := c.n
	c.due(func(key string, deadline int64) bool {
		if deadline <= now && (after == "" || key > after) {
			n--
		}
		return deadline <= now
	})
	return n
}

// due visits keys in the order of their deadlines.
func (c *tally) due(visit func(key string, deadline int64) bool) {
	c.deadlines.Scan(func(k string) bool {
		return visit(k[deadlineBytes:], int64(binary.BigEndian.Uint64([]byte(k[:deadlineBytes]))))
	})
}

// buffer is the write-back buffer: what is visible and not in the file yet. The
// disk's lock guards it.
type buffer struct {
	newest *layer // takes what becomes visible
	frozen *layer // is being written to the file; nil: none is
}

// layers returns those that count over the file as t sees it, the lower first, and
// whether the file counts too.
func (b *buffer) layers(t *boltfile.Tx) (layers []*layer, file bool) {
	file = true
	if f := b.frozen; f != nil && !t.Has(f.end) {
		layers, file = append(layers, f), !f.cleared
	}
	if b.newest.cleared {
		layers, file = layers[:0], false
	}
	return append(layers, b.newest), file
}

// copy is the whole buffer as one layer to be written.
func (b *buffer) copy() *layer {
	l := &layer{}
	if f := b.frozen; f != nil && !b.newest.cleared {
		l.cleared, l.entries = f.cleared, *f.entries.Copy()
	}
	l.cleared = l.cleared || b.newest.cleared
	b.newest.entries.Scan(func(key string, e entry) bool {
		l.entries.Set(key, e)
		return true
	})
	return l
}

// get looks a key up. Where found is false the file has the word.
func (b *buffer) get(key string) (s boltfile.State, found bool) {
	for l := range b.each {
		if e, ok := l.entries.Get(key); ok {
			return e.State, true
		}
		if l.cleared {
			return boltfile.State{}, true
		}
	}
	return boltfile.State{}, false
}

// each visits the layers from the newest on.
func (b *buffer) each(yield func(*layer) bool) {
	if yield(b.newest) && b.frozen != nil {
		yield(b.frozen)
	}
}

// hidesFile reports whether nothing of the file counts any more.
func (b *buffer) hidesFile() bool {
	return b.newest.cleared || b.frozen != nil && b.frozen.cleared
}

// merged walks the keys of a buffer in order, from a start on.
type merged struct {
	iters []btree.MapIter[string, entry] // newest first
	valid []bool
}

func (b *buffer) from(start string) *merged {
	m := &merged{}
	for l := range b.each {
		it := l.entries.Iter()
		m.iters, m.valid = append(m.iters, it), append(m.valid, false)
		i := len(m.iters) - 1
		m.valid[i] = m.iters[i].Seek(start)
		if l.cleared {
			break
		}
	}
	return m
}

// peek returns the next key and its state.
func (m *merged) peek() (key string, s boltfile.State, ok bool) {
	for i := range m.iters {
		if m.valid[i] && (!ok || m.iters[i].Key() < key) {
			key, s, ok = m.iters[i].Key(), m.iters[i].Value().State, true
		}
	}
	return key, s, ok
}

// skip goes on behind a key that peek returned.
func (m *merged) skip(key string) {
	for i := range m.iters {
		if m.valid[i] && m.iters[i].Key() == key {
			m.valid[i] = m.iters[i].Next()
		}
	}
}
