package diskstore

import (
	"slices"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// visible is what reads see in addition to the file, and what they will see once it is
// durable. Its lock is the last one of the store that is taken. View holds it while it
// reads the file, so that a checkpoint does not change both in between.
type visible struct {
	mu         sync.RWMutex
	tables     memtables
	appended   appended
	lsn        wal.LSN       // the records before it are in the memtables or the file
	checkpoint wal.LSN       // the records before it are in the file
	epoch      uint64        // changes with each clear
	forgotten  uint64        // changes when entries leave a memtable before its checkpoint ends
	reserved   int64         // memory for calls whose segments are being written
	unreserved chan struct{} // see nextUnreserved; nil: no call waits
}

// appended are the calls whose records are in the log and not visible yet, in their order.
type appended struct {
	plans    []*Plan
	states   map[string]stated // that they give to their keys, without the plans with a table
	tables   []*Plan           // the plans with a table, the newest last
	clears   int               // how many of them clear the store
	growth   int64             // of live keys
	need     boltfile.Need     // of their puts
	bytes    int64             // in the memtable, without those with a segment
	ahead    int64             // need.Net without those with a segment
	segments int64             // bytes of those with a segment
}

// stated is a state, and the end of the record that gives it to a key.
type stated struct {
	boltfile.State
	end wal.LSN
}

// get returns the state that the newest of the calls gives to a key. found is false if none
// does, or if a later one clears the store.
func (a *appended) get(key string) (s boltfile.State, found bool) {
	newest, found := a.states[key]
	for _, p := range slices.Backward(a.tables) {
		if found && newest.end > p.end {
			break
		}
		if i, ok := slices.BinarySearchFunc(p.changes, key, compareKey); ok {
			return p.changes[i].Next, true
		}
	}
	return newest.State, found
}

// locked runs fn while no read and no other stage is under way.
func (v *visible) locked(fn func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fn()
}

// view runs fn with a transaction of the file; neither changes what fn reads.
func (v *visible) view(file *boltfile.File, now time.Time, fn func(*View) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return file.ViewAt(now, func(tx *boltfile.Tx) error { return fn(&View{v, tx}) })
}

// get returns the visible state of a key; found is false if only the file can tell.
func (v *visible) get(key string) (s boltfile.State, found bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.tables.get(key)
}

// newestOf is newest for a caller that does not hold the lock.
func (v *visible) newestOf(p *Plan, key string) (s boltfile.State, found bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.newest(p, key)
}

// newest is get for a plan, which also sees appended changes and then depends on them.
func (v *visible) newest(p *Plan, key string) (s boltfile.State, found bool) {
	if a := &v.appended; len(a.plans) > 0 {
		if s, found = a.get(key); found || a.clears > 0 {
			p.depends = a.plans[len(a.plans)-1].end
			return s, true
		}
	}
	return v.tables.get(key)
}

// append adds the changes of a plan whose record was appended, after those of earlier
// calls. now says that they become visible at once.
func (v *visible) append(p *Plan, now bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p.segment != nil {
		v.unreserve(p.buffered())
	}
	if now {
		v.show(p)
		return
	}
	a := &v.appended
	a.plans = append(a.plans, p)
	a.growth += p.growth
	a.need.Add(p.need)
	a.claim(p, 1)
	if p.clear {
		a.clears++
		clear(a.states)
		a.tables = nil
	}
	if p.table != nil {
		a.tables = append(a.tables, p)
		return
	}
	for i := range p.changes {
		a.states[p.changes[i].Key] = stated{p.changes[i].Next, p.end}
	}
}

// show makes the changes of a plan visible. mu is locked.
func (v *visible) show(p *Plan) {
	if t := p.table; t != nil {
		if m := v.tables.mutable; m.cleared || m.entries.Len() > 0 {
			v.tables.freeze(v.lsn)
		}
		if t.end, v.lsn = p.end, p.end; p.segment != nil {
			t.segments = segments{p.buffered(), p.need.Net}
		}
		v.tables.immutable = append(v.tables.immutable, t)
		return
	}
	if p.clear {
		v.tables.mutable.clear()
		v.epoch++
	}
	for i := range p.changes {
		v.tables.mutable.put(p.changes[i].Key, p.changes[i].Was, p.changes[i].Next)
	}
	v.lsn = p.end
}

// showLarge makes a large write visible, which is in the file. mu is locked.
func (v *visible) showLarge(p *Plan, ref *boltfile.LogRef) {
	if p.clear { // else the memtables are empty
		v.tables = memtables{mutable: &memtable{}}
		v.epoch++
	}
	if ref != nil {
		v.lsn, v.checkpoint = ref.Pos, ref.Pos
	}
}

// publish makes the appended changes before an LSN visible, and returns their plans.
func (v *visible) publish(to wal.LSN) (shown []*Plan) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := &v.appended
	a.tables = slices.DeleteFunc(a.tables, func(p *Plan) bool { return p.end <= to })
	n := 0
	for ; n < len(a.plans) && a.plans[n].end <= to; n++ {
		p := a.plans[n]
		v.show(p)
		a.growth -= p.growth
		a.need.Sub(p.need)
		a.claim(p, -1)
		if p.clear {
			a.clears--
		}
	}
	shown = a.plans[:n]
	a.plans = slices.Clone(a.plans[n:])
	if len(a.plans) == 0 {
		clear(a.states)
		return shown
	}
	for _, p := range shown {
		if p.table != nil {
			continue
		}
		for i := range p.changes {
			if key := p.changes[i].Key; a.states[key].end <= to { // else a later call gives it another state
				delete(a.states, key)
			}
		}
	}
	return shown
}

// reaches reports whether the records before an LSN are visible.
func (v *visible) reaches(to wal.LSN) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.lsn >= to
}

// size returns the bytes of the memtables.
func (v *visible) size() (n int64) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for t := range v.tables.each {
		n += t.bytes
	}
	return n
}

// claim adds what a plan claims to the sums, or subtracts it.
func (a *appended) claim(p *Plan, sign int64) {
	if p.segment != nil {
		a.segments += sign * p.buffered()
		return
	}
	a.bytes += sign * p.buffered()
	a.ahead += sign * p.need.Net
}

// claimed is what all changes take that the file does not have.
type claimed struct {
	need  boltfile.Need // their space in the file
	bytes int64         // that they have in memory, or will have, without calls with segments
	ahead int64         // their net space in the file, without calls with segments
}

// claimed returns what all changes take, with more in need.
func (v *visible) claimed(more boltfile.Need) claimed {
	v.mu.RLock()
	defer v.mu.RUnlock()
	c := claimed{more, v.appended.bytes, v.appended.ahead}
	c.need.Add(v.appended.need)
	for t := range v.tables.each {
		c.need.Add(t.need)
		c.bytes += max(0, t.bytes-t.segments.bytes)
		c.ahead += max(0, t.need.Net-t.segments.net)
	}
	return c
}

// freeze returns the memtable that a checkpoint has to write, which has all visible changes, and
// nil if there is none. Only the holder of the right to write to the file calls it.
func (v *visible) freeze() *memtable {
	tables := v.freezeAll()
	switch len(tables) {
	case 0:
		return nil
	case 1:
		return tables[0]
	}
	// Large calls, or a checkpoint that failed. One memtable costs fewer leaf pages than several,
	// and changes of a later one can make the room that an earlier one needs. Reads go on meanwhile.
	t := v.merge(tables)
	v.locked(func() { v.tables.immutable = slices.Replace(v.tables.immutable, 0, len(tables), t) })
	return t
}

// freezeAll makes the mutable memtable immutable if there are changes that no immutable one has,
// and returns all immutable ones, which can have no entries: a key came and went.
func (v *visible) freezeAll() []*memtable {
	v.mu.Lock()
	defer v.mu.Unlock()
	last := v.checkpoint
	if n := len(v.tables.immutable); n > 0 {
		last = v.tables.immutable[n-1].end
	}
	if v.lsn != last {
		v.tables.freeze(v.lsn)
	}
	return slices.Clone(v.tables.immutable)
}

// merge returns a memtable with the changes of several, the oldest first.
func (v *visible) merge(tables []*memtable) (t *memtable) {
	clone := func(of *memtable) (c *memtable) {
		v.locked(func() { c = of.clone() })
		return c
	}
	t = tables[0]
	mine := false // t is a copy
	sum := t.segments
	for _, next := range tables[1:] {
		sum = segments{sum.bytes + next.segments.bytes, sum.net + next.segments.net}
		switch {
		case next.cleared:
			t, mine = next, false
			continue
		case !t.cleared && t.entries.Len() < next.entries.Len():
			older := t
			t, mine = clone(next), true
			t.under(older)
			continue
		case !mine:
			t, mine = clone(t), true
		}
		next.over(t)
	}
	if !mine { // the last one has cleared the others
		t = clone(t)
	}
	t.end, t.segments = tables[len(tables)-1].end, sum
	return t
}

// settle ends a checkpoint that failed: see memtable.settle.
func (v *visible) settle(t *memtable) {
	if t != nil {
		v.locked(t.settle)
	}
}

// tryComplete reports whether the file has everything that is visible, and false if
// that cannot be told without waiting.
func (v *visible) tryComplete() bool {
	if !v.mu.TryRLock() {
		return false
	}
	defer v.mu.RUnlock()
	return v.lsn == v.checkpoint
}
