package extlibs

import (
	"context"

	"github.com/scriptling-kv/extlibs/internal/hashtable"
)

func (m *memory) LoadMany(ctx context.Context, keys []string, _ Need) (entries []Entry, err error) {
	st, err := m.open()
	if err != nil {
		return nil, err
	}
	defer m.guard(st, &err)
	records, now, err := st.Records(ctx, keys)
	if err != nil {
		return nil, err
	}
	entries = make([]Entry, 0, len(keys))
	for i, r := range records {
		if r != nil {
			if e, live := entryOf(keys[i], r, now); live {
				entries = append(entries, e)
			}
		}
	}
	return entries, nil
}

func (m *memory) ApplyMany(ctx context.Context, ops []Op) ([]Result, error) {
	for {
		st, err := m.open()
		if err != nil {
			return nil, err
		}
		var results []Result
		var limit hashtable.Limit
		var busy <-chan struct{}
		m.collect(ctx)
		small := isSmallBatch(ops)
		if small {
			results, limit, busy, err = m.applyMany(st, ops, nil)
			if limit != hashtable.None && m.opts.evict {
				err = m.withRoom(ctx, st, func(room *hashtable.Room) (hashtable.Limit, error) {
					results, limit, busy, err = m.applyMany(st, ops, room)
					return limit, err
				})
				limit = hashtable.None
			}
		} else {
			results, limit, err = m.applyLarge(ctx, st, ops)
		}
		if busy != nil {
			if err := await(ctx, busy); err != nil {
				return nil, err
			}
			continue
		}
		if limit == hashtable.MaxBytes && m.reclaim(ctx, st) {
			for !small && m.reclaim(ctx, st) { // trying again takes long
			}
			continue
		}
		if err == nil {
			err = m.full(limit)
		}
		if err != nil {
			return nil, err
		}
		if m.watched.active() {
			for i, r := range results {
				m.watched.applied(&ops[i], r)
			}
		}
		return results, nil
	}
}

// applyMany is ApplyMany for a small batch where no limit and no large batch is in the
// way.
func (m *memory) applyMany(st *memoryState, ops []Op, room *hashtable.Room) (results []Result, limit hashtable.Limit, busy <-chan struct{}, err error) {
	defer m.guard(st, &err)
	batch := st.LockAll(len(ops), func(i int) string { return ops[i].Key })
	defer batch.Unlock()
	results = make([]Result, len(ops))
	plans := make([]*plan, 0, len(ops))
	byKey := make(map[string]*plan, len(ops))
	for i := range ops {
		p := byKey[ops[i].Key]
		if p == nil {
			if busy := batch.Busy(ops[i].Key); busy != nil {
				return nil, hashtable.None, busy, nil
			}
			was := stateOf(batch.Record(ops[i].Key))
			p = &plan{key: ops[i].Key, was: was, next: was}
			byKey[p.key] = p
			plans = append(plans, p)
		}
		if results[i], err = p.step(&ops[i], batch.Now()); err != nil {
			return nil, hashtable.None, nil, err
		}
	}
	changes := make([]hashtable.Change, 0, len(plans))
	for _, p := range plans {
		switch {
		case !p.changed:
		case !p.next.value.IsZero():
			changes = append(changes, hashtable.Change{Key: p.key, Next: recordOf(0, p.key, p.next.value, p.next.deadline)})
		default:
			changes = append(changes, hashtable.Change{Key: p.key})
		}
	}
	over := 0
	if m.opts.evict {
		if over, err = m.evictOver(changes); err != nil {
			return nil, hashtable.None, nil, err
		}
	}
	if limit = batch.Commit(changes, room); limit == hashtable.None {
		m.evicted.Add(int64(over))
	}
	return results, limit, nil, nil
}
