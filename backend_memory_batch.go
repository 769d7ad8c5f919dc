package extlibs

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/hashtable"
)

// A batch of at most smallBatch operations, and not too many bytes, locks its keys. A
// larger one is stored a few keys at a time, invisible until all of them are: others
// never wait for it, but for a conditional one on its keys.
const (
	smallBatch      = 256
	smallBatchBytes = 256 << 10
	batchCheckKeys  = 256 // keys between two checks of the context
)

func isSmallBatch(ops []Op) bool {
	if len(ops) > smallBatch {
		return false
	}
	bytes := 0
	for i := range ops {
		bytes += len(ops[i].Key) + ops[i].Value.Len()
	}
	return bytes <= smallBatchBytes
}

// contended reports whether a call may have to wait for others.
func (m *memory) contended() bool {
	st := m.state.Load()
	return st != nil && st.Contended()
}

// largeBatch is a batch on its way into a table.
type largeBatch struct {
	m       *memory
	st      *memoryState
	ops     []Op
	order   []int32 // of ops: by the hashes of their keys, those on one key together
	begins  []int32 // of each key, in order
	hashes  []uint64
	blind   bool // what it stores does not depend on what the keys hold
	results []Result
}

func (m *memory) newLargeBatch(ctx context.Context, st *memoryState, ops []Op) (*largeBatch, error) {
	b := &largeBatch{m: m, st: st, ops: ops, blind: true, results: make([]Result, len(ops))}
	type hashed struct {
		hash uint64
		op   int32
	}
	all := make([]hashed, len(ops))
	for i := range ops {
		if i%batchCheckKeys == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		all[i] = hashed{st.Hash(ops[i].Key), int32(i)}
		b.blind = b.blind && (ops[i].Kind == OpSet || ops[i].Kind == OpDelete && !ops[i].Must)
	}
	slices.SortFunc(all, func(x, y hashed) int {
		if x.hash != y.hash {
			return cmp.Compare(x.hash, y.hash)
		}
		if c := strings.Compare(ops[x.op].Key, ops[y.op].Key); c != 0 {
			return c
		}
		return cmp.Compare(x.op, y.op)
	})
	b.order = make([]int32, len(ops))
	b.begins, b.hashes = make([]int32, 0, len(ops)), make([]uint64, 0, len(ops))
	for i, h := range all {
		b.order[i] = h.op
		if i == 0 || ops[h.op].Key != ops[b.order[i-1]].Key {
			b.begins, b.hashes = append(b.begins, int32(i)), append(b.hashes, h.hash)
		}
	}
	return b, nil
}

// of returns the operations on the i-th key, as indices of ops.
func (b *largeBatch) of(i int) []int32 {
	if i+1 < len(b.begins) {
		return b.order[b.begins[i]:b.begins[i+1]]
	}
	return b.order[b.begins[i]:]
}

func (b *largeBatch) key(i int) string { return b.ops[b.order[b.begins[i]]].Key }

// plan carries out the operations on the i-th key, and keeps their results.
func (b *largeBatch) plan(i int, live *hashtable.Record, now int64) (keyState, error) {
	was := stateOf(live)
	p := plan{was: was, next: was}
	for _, op := range b.of(i) {
		r, err := p.step(&b.ops[op], now)
		if err != nil {
			return keyState{}, err
		}
		b.results[op] = r
	}
	return p.next, nil
}

// asksWhatWas reports whether a result of a blind batch depends on what keys held.
func (b *largeBatch) asksWhatWas() bool {
	return slices.ContainsFunc(b.ops, func(op Op) bool { return op.NeedOld || op.Kind == OpDelete })
}

// fits reports whether the limit of bytes allows the records of the batch alone.
func (b *largeBatch) fits() bool {
	limit, bytes := b.m.opts.memoryLimit(), int64(0)
	for i := range b.begins {
		ops := b.of(i)
		op := &b.ops[ops[len(ops)-1]]
		if op.Kind != OpSet && op.Kind != OpDelete {
			return true // unknown before the plan
		}
		if op.Kind == OpSet {
			bytes += int64(2*len(op.Key) + op.Value.Len() + hashtable.Overhead)
		}
	}
	return limit <= 0 || bytes <= limit
}

// applyLarge is applyMany for a large batch.
func (m *memory) applyLarge(ctx context.Context, st *memoryState, ops []Op) (results []Result, limit hashtable.Limit, err error) {
	defer m.guard(st, &err)
	b, err := m.newLargeBatch(ctx, st, ops)
	if err != nil {
		return nil, hashtable.None, err
	}
	if !m.opts.evict && !b.fits() {
		return nil, hashtable.MaxBytes, nil
	}
	large, err := st.Begin(ctx, b.hashes, b.key, b.blind)
	if err != nil {
		return nil, hashtable.None, err
	}
	defer large.End()
	now := m.now()
	record := func(i int, next keyState) *hashtable.Record {
		if next.value.IsZero() {
			return large.Tombstone(i)
		}
		return recordOf(large.Mark(i), b.key(i), next.value, next.deadline)
	}
	filled := fill{m: m}
	fitted := func(i int, r *hashtable.Record) (*hashtable.Record, error) { // once for each key
		if !m.opts.evict || r.Tombstone() {
			return r, nil
		}
		if takes, err := filled.takes(r); !takes {
			return large.Tombstone(i), err
		}
		return r, nil
	}
	var ready []*hashtable.Record // of a blind batch, made when nothing is locked
	for i := 0; i < len(b.begins); {
		if err := ctx.Err(); err != nil {
			return nil, hashtable.None, err
		}
		m.collect(ctx)
		from := i
		if b.blind {
			clear(ready)
			ready = ready[:0]
			for k := i; k < min(i+hashtable.InstallKeys, len(b.begins)); k++ {
				next, err := b.plan(k, nil, now)
				if err != nil {
					return nil, hashtable.None, err
				}
				ready = append(ready, record(k, next))
			}
		}
		i, err = large.Install(i, now, func(k int, live *hashtable.Record) (*hashtable.Record, error) {
			if b.blind {
				return fitted(k, ready[k-from])
			}
			next, err := b.plan(k, live, now)
			if err != nil {
				return nil, err
			}
			return fitted(k, record(k, next))
		})
		if err != nil {
			return nil, hashtable.None, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, hashtable.None, err
	}
	limit = large.Commit(nil)
	if limit != hashtable.None && m.opts.evict {
		err = m.withRoom(ctx, st, func(room *hashtable.Room) (hashtable.Limit, error) {
			limit = large.Commit(room)
			return limit, nil
		})
	}
	if err != nil || limit != hashtable.None {
		return nil, limit, err
	}
	m.evicted.Add(int64(filled.over))
	if b.blind && b.asksWhatWas() { // others could write until then
		now = m.now()
		for i := range b.begins {
			old := large.Old(i)
			if old != nil && old.Deadline() != 0 && old.Deadline() <= now {
				old = nil
			}
			if _, err := b.plan(i, old, now); err != nil {
				return nil, hashtable.None, err
			}
		}
	}
	return b.results, hashtable.None, nil
}
