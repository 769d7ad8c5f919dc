package hashtable

import "strings"

// compactLeaves is how many leaves of the names are looked through while others
// can't add keys.
const compactLeaves = 8

// Sweep removes some of the keys that have expired by now while others can't
// write; reads continue. It returns how many, 0 if there are no more.
func (t *Table) Sweep(now int64) int { return t.SweepKeys(now, nil) }

// SweepKeys is Sweep, and calls gone, unless that is nil, with a copy of each key that it
// removes. gone must not use the table.
func (t *Table) SweepKeys(now int64, gone func(key string)) int {
	t.lockAll()
	defer t.unlockAll()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending.Load() != nil { // which may be undone
		return 0
	}
	removed, deadBytes := 0, t.names.deadBytes
	var f fetcher
	for hashes := t.due.take(t, now); len(hashes) > 0; {
		n := min(len(hashes), fetched)
		f.fetch(t, hashes[:n])
		for i, hash := range hashes[:n] {
			expired := func(r *Record) bool { return r.Deadline() != 0 && r.Deadline() <= now }
			at := place{f.records[i], f.groups[i], int(f.slots[i])}
			if r := at.record; r == nil || !expired(r) || t.hash(r.Key()) != hash {
				at = t.findHash(hash, expired)
			}
			if at.record != nil {
				t.bytes.Add(-at.record.Size())
				t.save(t.shard(hash), at.record.Key(), at.record)
				t.shard(hash).remove(at)
				t.names.die(at.record.Key())
				removed++
				if gone != nil {
					gone(strings.Clone(at.record.Key()))
				}
			}
		}
		hashes = hashes[n:]
	}
	t.keys -= removed
	t.bytes.Add(t.names.deadBytes - deadBytes)
	return removed
}

// Soonest returns the time of the next sweep that may find something.
func (t *Table) Soonest() (deadline int64, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.due.soonest, t.due.n > 0
}

// Tidy frees some of the memory that sweeps have left unused, and reports whether there is
// more. Some names can stay dead; removing them one by one would take longer than the whole
// sweep.
func (t *Table) Tidy(from string) (next string, more bool) {
	if t.shrinkOne() {
		return from, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if from == "" && !t.names.untidy() {
		return "", false
	}
	next = t.compactNames(from)
	return next, next != ""
}

// TidyNext is Tidy for a write that the limit of bytes refuses: no name must stay dead. Each
// call continues where the last one ended. It reports whether it did anything: it does until
// no name is dead.
func (t *Table) TidyNext() bool {
	if t.shrinkOne() {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names.dead == 0 {
		return false
	}
	t.tidyFrom = t.compactNames(t.tidyFrom)
	return true
}

// shrinkOne gives back the memory of one shard that has emptied, and reports whether there
// was one.
func (t *Table) shrinkOne() bool {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		shrunk := t.shrink(s)
		s.mu.Unlock()
		if shrunk {
			return true
		}
	}
	return false
}

// compactNames removes the dead names of some leaves, and returns where to continue. It
// needs t.mu.
func (t *Table) compactNames(from string) (next string) {
	deadBytes := t.names.deadBytes
	next = t.names.compact(from, compactLeaves, t.present)
	t.bytes.Add(t.names.deadBytes - deadBytes)
	return next
}

// Wasted reports whether expired records or dead names take memory.
func (t *Table) Wasted(now int64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.pending.Load() == nil && (t.names.dead > 0 || t.due.n > 0 && t.due.soonest <= now)
}

// Due reports whether some keys have expired and can be swept.
func (t *Table) Due(now int64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.pending.Load() == nil && t.due.n > 0 && t.due.soonest <= now
}

// present calls each for the names of a leaf that have a record.
func (t *Table) present(l *leaf, each func(name string)) {
	var f fetcher
	var hashes [fetched]uint64
	for i := 0; i < len(l.begins); i += fetched {
		n := min(fetched, len(l.begins)-i)
		for k := range n {
			hashes[k] = t.hash(l.key(i + k))
		}
		f.fetch(t, hashes[:n])
		for k := range n {
			name := l.key(i + k)
			if r := f.records[k]; r != nil && r.Key() == name || t.shard(hashes[k]).find(hashes[k], name).record != nil {
				each(name)
			}
		}
	}
}
