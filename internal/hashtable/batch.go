package hashtable

// Batch is the places of several keys, locked.
type Batch struct {
	t      *Table
	locked [shardCount]bool
	now    int64
}

// Change is what a batch does to one key.
type Change struct {
	Key  string
	Next *Record // nil: the key is removed
}

// LockAll locks the slots of n keys, which may repeat.
func (t *Table) LockAll(n int, key func(i int) string) *Batch {
	b := &Batch{t: t}
	for i := range n {
		b.locked[shardOf(t.hash(key(i)))] = true
	}
	for i, locked := range b.locked {
		if locked {
			t.shards[i].mu.Lock()
		}
	}
	return b
}

// Unlock ends the use of the batch.
func (b *Batch) Unlock() {
	for i, locked := range b.locked {
		if locked {
			b.t.shards[i].mu.Unlock()
		}
	}
}

// Now returns the reading of the clock that decides for the whole batch what has expired.
func (b *Batch) Now() int64 {
	if b.now == 0 {
		b.now = b.t.config.Now()
	}
	return b.now
}

// Record returns the live record of one of the keys, or nil.
func (b *Batch) Record(key string) *Record {
	hash := b.t.hash(key)
	if r := b.t.sight(b.t.shard(hash).find(hash, key).record); r != nil && !(r.Deadline() != 0 && r.Deadline() <= b.Now()) {
		return r
	}
	return nil
}

// Busy is Slot.Busy for one of the keys.
func (b *Batch) Busy(key string) <-chan struct{} {
	if b.t.pending.Load() == nil {
		return nil
	}
	hash := b.t.hash(key)
	return b.t.busy(b.t.shard(hash).find(hash, key).record)
}

// Commit makes changes, each of a different locked key: all of them or, if a limit refuses
// them, none. No read sees only some of them done. room is the Room of the batch in a cache,
// or nil.
func (b *Batch) Commit(changes []Change, room *Room) Limit {
	t := b.t
	var growth [shardCount]int
	all := make([]change, len(changes))
	find := func(i int) place { return t.shard(all[i].hash).find(all[i].hash, changes[i].Key) }
	for i, c := range changes {
		all[i] = change{hash: t.hash(c.Key), next: c.Next}
		if c.Next != nil && find(i).record == nil {
			growth[shardOf(all[i].hash)]++
		}
	}
	for i, n := range growth {
		if n > 0 {
			t.makeRoom(&t.shards[i], n)
		}
	}
	for i := range all {
		all[i].at = find(i)
		all[i].old = t.sight(all[i].at.record)
		t.use(all[i].at)
	}
	limit := t.commit(all, b.Now(), room)
	for i, locked := range b.locked {
		if locked {
			t.shrink(&t.shards[i])
		}
	}
	return limit
}
