package hashtable

import (
	"context"
	"strings"
)

// LockedKeys is the maximum number of keys that Records reads while it has their shards
// locked, and the number of keys after which it checks its context.
const LockedKeys = 256

// savedPart is the part of Config.MaxBytes that a snapshot can keep from being freed.
const savedPart = 8

// Records returns the records of keys as of one moment, and that moment: the
// visible records, expired or not, and nil for other keys. For more than LockedKeys keys it takes
// a snapshot, which locks one shard at a time, for one key. It returns the error of ctx
// if that ends.
func (t *Table) Records(ctx context.Context, keys []string) (records []*Record, now int64, err error) {
	records = make([]*Record, len(keys))
	if len(keys) > LockedKeys {
		if now, done, err := t.readSnapshot(ctx, keys, records); done || err != nil {
			return records, now, err
		}
	}
	b := t.LockAll(len(keys), func(i int) string { return keys[i] })
	defer b.Unlock()
	for i, key := range keys {
		hash := t.hash(key)
		at := t.shard(hash).find(hash, key)
		t.use(at)
		records[i] = t.sight(at.record)
	}
	return records, b.Now(), nil
}

// readSnapshot reads the records of keys from a snapshot. It reports false if others have
// changed so much meanwhile that the snapshot was given up.
func (t *Table) readSnapshot(ctx context.Context, keys []string, records []*Record) (now int64, done bool, err error) {
	s, err := t.newSnapshot(ctx)
	if err != nil {
		return 0, false, err
	}
	defer s.end()
	for i, key := range keys {
		if i%LockedKeys == 0 {
			if err := ctx.Err(); err != nil {
				return 0, false, err
			}
			if s.givenUp() {
				break
			}
		}
		records[i] = s.record(key)
	}
	return s.now, !s.givenUp(), nil
}

// snapshot is the state of a table at one moment. While it is open, a change of the
// record of a key saves the old record in the key's shard. A table has one snapshot at a
// time.
type snapshot struct {
	t     *Table
	now   int64
	large *Large // under way at that moment, or nil
}

// newSnapshot waits for the snapshot before it until ctx ends.
func (t *Table) newSnapshot(ctx context.Context) (*snapshot, error) {
	select {
	case t.reading <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t.lockAll()
	defer t.unlockAll()
	t.saved.Store(0)
	for i := range t.shards {
		t.shards[i].saved = map[string]*Record{}
	}
	return &snapshot{t, t.config.Now(), t.pending.Load()}, nil
}

// givenUp reports whether records were not saved because they had too many bytes.
func (s *snapshot) givenUp() bool { return s.t.saved.Load() > s.t.mostSaved() }

func (t *Table) mostSaved() int64 {
	if t.config.MaxBytes <= 0 {
		return never
	}
	return t.config.MaxBytes / savedPart
}

// end frees what was saved.
func (s *snapshot) end() {
	for i := range s.t.shards {
		shard := &s.t.shards[i]
		shard.mu.Lock()
		shard.saved = nil
		shard.mu.Unlock()
	}
	<-s.t.reading
}

// record returns the record of a key that was visible at the snapshot's moment.
func (s *snapshot) record(key string) *Record {
	hash := s.t.hash(key)
	shard := s.t.shard(hash)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	r, changed := shard.saved[key]
	if !changed {
		at := shard.find(hash, key)
		r = at.record
		s.t.use(at)
	}
	if r == nil || r.flags&flagMark == 0 {
		return r
	}
	if b := s.large; b != nil {
		if i := r.mark() - b.first; i < uint64(len(b.entries)) {
			return b.entries[i].old.Load() // whatever has become of the batch
		}
	}
	if r.Tombstone() {
		return nil
	}
	return r
}

// save keeps the record of a key, or nil, for the snapshot that is open, if there is one.
// It is called before each change of what the key holds. The shard is locked.
func (t *Table) save(s *shard, key string, r *Record) {
	if s.saved != nil {
		t.saveNow(s, key, r)
	}
}

//go:noinline
func (t *Table) saveNow(s *shard, key string, r *Record) {
	if _, again := s.saved[key]; again {
		return
	}
	if t.saved.Add(r.Size()+Overhead) > t.mostSaved() {
		s.saved = nil // the snapshot is given up
		return
	}
	if r != nil {
		key = r.Key()
	} else {
		key = strings.Clone(key) // it can be a part of a record
	}
	s.saved[key] = r
}
