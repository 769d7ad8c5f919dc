package extlibs

import (
	"context"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/hashtable"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// An in-memory store can be a cache, which evicts keys when a limit refuses a write. It
// notes which keys are read and overwritten; scans do not count. Room for a write is made
// before it, in steps between which other calls run: first by removing expired keys, then
// others, but not the keys that the call is about.

// fewSteps is how many steps of evictions a script's call makes before it releases the
// interpreter's lock: most make one, and finding the lock takes longer.
const fewSteps = 4

// withRoom carries out a write that the limits of a cache have refused. try makes the
// write with what room has.
func (m *memory) withRoom(ctx context.Context, st *memoryState, try func(room *hashtable.Room) (hashtable.Limit, error)) (err error) {
	defer m.guard(st, &err)
	m.expire(ctx, st)
	room := st.TryRoom()
	if room == nil {
		object.RunBlocking(ctx, func() { room, err = st.Room(ctx) })
		if err != nil {
			return err
		}
	}
	var gone []string
	room.Removed = func(key string) {
		if m.watched.active() {
			gone = append(gone, key)
		}
	}
	defer func() {
		room.End()
		m.evicted.Add(int64(room.Evicted))
		m.expired.Add(int64(room.Expired))
		for _, key := range gone {
			m.watched.tell(key, false)
		}
	}()
	for {
		limit, err := try(room)
		if err != nil || limit == hashtable.None {
			return err
		}
		if err := m.makeRoom(ctx, st, room); err != nil {
			return err
		}
	}
}

// makeRoom evicts until the write that room is for fits, or ctx ends.
func (m *memory) makeRoom(ctx context.Context, st *memoryState, room *hashtable.Room) error {
	steps := func(most int) (done bool, err error) {
		for n := 0; n < most || most == 0; n++ {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			enough, more := room.Step(m.now())
			if enough {
				return true, nil
			}
			if !more && !st.TidyNext() {
				return false, kverr.Errorf(ErrFull, "the cache is full of keys that running calls are writing; try again")
			}
		}
		return false, nil
	}
	done, err := steps(fewSteps)
	if !done && err == nil {
		object.RunBlocking(ctx, func() { _, err = steps(0) })
	}
	return err
}

// expire removes expired keys of a cache that is full: they go before live ones.
func (m *memory) expire(ctx context.Context, st *memoryState) {
	for n := 0; n < sweepSteps && ctx.Err() == nil; n++ {
		now := m.now()
		if !st.Due(now) {
			return
		}
		removed := m.removeExpired(st, now)
		m.expired.Add(int64(removed))
		if removed == 0 {
			return
		}
	}
}

// checkFits returns an error if a cache cannot hold a record at all.
func (m *memory) checkFits(r *hashtable.Record) error {
	if limit := m.opts.maxCacheBytes; r != nil && r.Size() > limit {
		return kverr.Errorf(ErrTooLarge, "the entry takes %d bytes, and the cache holds at most %d; store a smaller value, or raise MaxCacheBytes in the host", r.Size(), limit)
	}
	return nil
}

// fill counts what a batch stores in a cache. What the cache cannot hold together with the
// rest of the batch is evicted at once.
type fill struct {
	m     *memory
	bytes int64
	keys  int
	over  int // keys evicted at once
}

// takes reports whether the cache can hold one more record of the batch.
func (f *fill) takes(r *hashtable.Record) (bool, error) {
	if err := f.m.checkFits(r); err != nil {
		return false, err
	}
	bytes := f.bytes + r.Size()
	if limit := f.m.opts.maxKeys; bytes > f.m.opts.maxCacheBytes || limit > 0 && f.keys == limit {
		f.over++
		return false, nil
	}
	f.bytes, f.keys = bytes, f.keys+1
	return true, nil
}

// evictOver removes from a small batch what the cache cannot hold. It returns how many keys
// that are.
func (m *memory) evictOver(changes []hashtable.Change) (over int, err error) {
	f := fill{m: m}
	for i := range changes {
		if changes[i].Next == nil {
			continue
		}
		if takes, err := f.takes(changes[i].Next); err != nil {
			return 0, err
		} else if !takes {
			changes[i].Next = nil
		}
	}
	return f.over, nil
}
