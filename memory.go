package extlibs

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Bounds of the in-memory store.
const (
	entryOverhead   = 96   // bytes that an entry costs beside its key and its value
	memoryScanStep  = 2048 // keys that a page looks at
	memorySweepStep = 256  // keys that a sweep removes while it keeps others from writing

	memoryPageEntries = 64 // entries that a page has room for at first
)

// memory is the in-memory store. A read of a key takes no lock. A write of a key
// locks the key's shard of the table, and the index only when the key appears,
// disappears or changes its deadline. Whoever locks several shards does so in
// their order, and takes the index's lock last.
type memory struct {
	opts    options
	base    time.Time // deadlines count from here, in monotonic time
	sweep   sweeper
	expired atomic.Int64
	state   atomic.Pointer[memoryState] // nil: closed
}

// memoryState is what Clear replaces in one step. A write that still goes into
// the old one is one that came before Clear.
type memoryState struct {
	epoch    uint64
	table    *table
	index    memoryIndex
	keys     atomic.Int64
	bytes    atomic.Int64
	batching atomic.Int32 // batches that are half done: reads wait for their shard
}

func newMemory(opts options) *memory {
	m := &memory{opts: opts, base: opts.now()}
	m.sweep = sweeper{interval: opts.sweepInterval, step: m.sweepStep}
	m.state.Store(newMemoryState(1))
	return m
}

func newMemoryState(epoch uint64) *memoryState {
	return &memoryState{epoch: epoch, table: newTable()}
}

// now is never 0, so that 0 can mean no deadline.
func (m *memory) now() int64 {
	if m.opts.clock == nil {
		return int64(time.Since(m.base)) + 1
	}
	return int64(m.opts.clock().Sub(m.base)) + 1
}

func (m *memory) open() (*memoryState, error) {
	if st := m.state.Load(); st != nil {
		return st, nil
	}
	return nil, ErrClosed
}

// entry is the live entry of a record. A record without a deadline costs no look
// at the clock.
func (m *memory) entry(key string, r *record) (Entry, bool) {
	if r == nil {
		return Entry{}, false
	}
	e := Entry{Key: key, Value: r.value()}
	if deadline := r.deadline(); deadline != 0 {
		if e.TTL = time.Duration(deadline - m.now()); e.TTL <= 0 {
			return Entry{}, false
		}
	}
	return e, true
}

func (m *memory) Load(_ context.Context, key string) (Entry, error) {
	st, err := m.open()
	if err != nil {
		return Entry{}, err
	}
	hash := st.table.hash(key)
	if st.batching.Load() != 0 { // it may be half done with this key's shard
		s := st.table.shard(hash)
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	if e, ok := m.entry(key, st.table.find(hash, key).record); ok {
		return e, nil
	}
	return Entry{}, ErrNotFound
}

func (m *memory) LoadMany(_ context.Context, keys []string) ([]Entry, error) {
	st, err := m.open()
	if err != nil {
		return nil, err
	}
	unlock := st.lockShards(len(keys), func(i int) string { return keys[i] })
	defer unlock()
	entries := make([]Entry, 0, len(keys))
	for _, key := range keys {
		if e, ok := m.entry(key, st.table.load(key)); ok {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// lockShards locks the shards of n keys.
func (st *memoryState) lockShards(n int, key func(int) string) (unlock func()) {
	var wanted [shardCount]bool
	for i := range n {
		wanted[shardOf(st.table.hash(key(i)))] = true
	}
	for i, w := range wanted {
		if w {
			st.table.shards[i].mu.Lock()
		}
	}
	return func() {
		for i, w := range wanted {
			if w {
				st.table.shards[i].mu.Unlock()
			}
		}
	}
}

func (m *memory) Apply(_ context.Context, op Op) (Result, error) {
	st, err := m.open()
	if err != nil {
		return Result{}, err
	}
	hash := st.table.hash(op.Key)
	s := st.table.shard(hash)
	s.mu.Lock()
	result, deadline, err := m.apply(st, hash, &op)
	s.mu.Unlock()
	if deadline != 0 {
		m.sweep.expect(time.Duration(deadline - m.now()))
	}
	return result, err
}

// apply carries out op in its key's shard. It returns the deadline that is new.
func (m *memory) apply(st *memoryState, hash uint64, op *Op) (result Result, deadline int64, err error) {
	at := st.table.find(hash, op.Key)
	old := at.record
	var current Value
	var was int64
	if old != nil {
		was = old.deadline()
		if was == 0 || was > m.now() {
			current = old.value()
		}
	}
	result, outcome, err := op.Next(current)
	if err != nil || outcome == Keep {
		return result, 0, err
	}
	if outcome == Remove {
		st.table.remove(hash, at)
		st.release(old)
		st.index.remove(old)
		return result, 0, nil
	}
	if outcome == PutKeep && !current.IsZero() {
		deadline = was
	} else if op.TTL != 0 {
		deadline = m.now() + int64(op.TTL)
	}
	next := newRecord(op.Key, result.New, deadline)
	if err := m.admit(st, old, next, current.IsZero()); err != nil {
		return Result{}, 0, err
	}
	switch {
	case old == nil:
		st.index.add(next)
	case was != deadline:
		st.index.move(old, next)
	}
	st.table.put(hash, at, next)
	if deadline == was {
		deadline = 0
	}
	return result, deadline, nil
}

// admit reserves the room for a record that replaces old, or says which limit is
// in the way.
func (m *memory) admit(st *memoryState, old, next *record, comesAlive bool) error {
	grow := next.size() - old.size()
	if grow != 0 {
		bytes := st.bytes.Add(grow)
		if limit := m.opts.maxMemoryBytes; limit > 0 && grow > 0 && bytes > limit {
			st.bytes.Add(-grow)
			return kverr.Errorf(ErrFull, "it would take more than its limit of %d bytes; delete some keys, or let the host raise MaxMemoryBytes", limit)
		}
	}
	if !comesAlive {
		return nil
	}
	keys := st.keys.Load() + 1
	if old == nil {
		keys = st.keys.Add(1)
	}
	if limit := int64(m.opts.maxKeys); limit > 0 && keys > limit && keys-int64(st.index.expired(m.now())) > limit {
		if old == nil {
			st.keys.Add(-1)
		}
		st.bytes.Add(-grow)
		return kverr.Errorf(ErrFull, "it holds its limit of %d keys; delete some, or let the host raise MaxKeys", limit)
	}
	return nil
}

// release gives back the room of a record that goes.
func (st *memoryState) release(r *record) {
	st.bytes.Add(-r.size())
	st.keys.Add(-1)
}

func (m *memory) ApplyMany(_ context.Context, ops []Op) ([]Result, error) {
	st, err := m.open()
	if err != nil {
		return nil, err
	}
	unlock := st.lockShards(len(ops), func(i int) string { return ops[i].Key })
	results, plans, err := m.plan(st, ops)
	if err == nil {
		err = m.admitAll(st, plans)
	}
	soonest := int64(0)
	if err == nil {
		soonest = st.carryOut(plans)
	}
	unlock()
	if err != nil {
		return nil, err
	}
	if soonest != 0 {
		m.sweep.expect(time.Duration(soonest - m.now()))
	}
	return results, nil
}

// plan decides what becomes of the keys of a batch, whose shards are locked.
func (m *memory) plan(st *memoryState, ops []Op) (results []Result, plans []*plan, err error) {
	results = make([]Result, len(ops))
	byKey := make(map[string]*plan, len(ops))
	now := m.now()
	for i := range ops {
		p := byKey[ops[i].Key]
		if p == nil {
			r := st.table.load(ops[i].Key)
			var e pendingEntry
			if r != nil {
				e = pendingEntry{r.value(), r.deadline()}
			}
			p = planFor(ops[i].Key, e, r != nil)
			byKey[p.key] = p
			plans = append(plans, p)
		}
		if results[i], err = p.step(&ops[i], now); err != nil {
			return nil, nil, err
		}
	}
	return results, slices.DeleteFunc(plans, func(p *plan) bool { return !p.changed }), nil
}

// admitAll is admit for a batch.
func (m *memory) admitAll(st *memoryState, plans []*plan) error {
	var keys, grow int64
	for _, p := range plans {
		size := func(e pendingEntry, exists bool) int64 {
			if !exists {
				return 0
			}
			keys++
			return entryBytes(len(p.key), e.value.Len())
		}
		grow += size(p.next, p.exists)
		before := keys
		grow -= size(p.was, p.existed)
		keys -= 2 * (keys - before)
	}
	bytes, total := st.bytes.Add(grow), st.keys.Add(keys)
	err := func() error {
		if limit := m.opts.maxMemoryBytes; limit > 0 && grow > 0 && bytes > limit {
			return kverr.Errorf(ErrFull, "it would take more than its limit of %d bytes; delete some keys, or let the host raise MaxMemoryBytes", limit)
		}
		if limit := int64(m.opts.maxKeys); limit > 0 && keys > 0 && total > limit && total-int64(st.index.expired(m.now())) > limit {
			return kverr.Errorf(ErrFull, "it holds its limit of %d keys; delete some, or let the host raise MaxKeys", limit)
		}
		return nil
	}()
	if err != nil {
		st.bytes.Add(-grow)
		st.keys.Add(-keys)
	}
	return err
}

// carryOut makes plans true. Reads of these shards wait until all of them are,
// and so do pages of the index. It returns the soonest deadline among them.
func (st *memoryState) carryOut(plans []*plan) (soonest int64) {
	st.batching.Add(1)
	defer st.batching.Add(-1)
	st.index.mu.Lock()
	defer st.index.mu.Unlock()
	for _, p := range plans {
		hash := st.table.hash(p.key)
		at := st.table.find(hash, p.key)
		if !p.exists {
			if at.record != nil {
				st.table.remove(hash, at)
				st.index.removeLocked(at.record)
			}
			continue
		}
		next := newRecord(p.key, p.next.value, p.next.deadline)
		switch {
		case at.record == nil:
			st.index.addLocked(next)
		case p.was.deadline != p.next.deadline:
			st.index.moveLocked(at.record, next)
		}
		st.table.put(hash, at, next)
		if d := p.next.deadline; d != 0 && (soonest == 0 || d < soonest) {
			soonest = d
		}
	}
	return soonest
}

// Scan of keys alone needs only the index. One with values keeps everyone from
// writing for the length of a page, to be of one moment.
func (m *memory) Scan(_ context.Context, r Range) (Page, error) {
	st, err := m.open()
	if err != nil {
		return Page{}, err
	}
	if !r.KeysOnly {
		st.table.lockAll()
		defer st.table.unlockAll()
	}
	page := Page{Epoch: st.epoch}
	page.More, page.Next = st.index.walk(r, func(key string, mayExpire bool) int {
		e, ok := Entry{Key: key}, true
		if mayExpire || !r.KeysOnly {
			e, ok = m.entry(key, st.table.load(key))
		}
		if ok {
			if page.Entries == nil {
				page.Entries = make([]Entry, 0, memoryPageEntries)
			}
			page.Entries = append(page.Entries, e)
		}
		return len(page.Entries)
	})
	return page, nil
}

func (m *memory) Len(context.Context) (int, error) {
	st, err := m.open()
	if err != nil {
		return 0, err
	}
	return st.index.live(m.now), nil
}

func (m *memory) Clear(context.Context) error {
	for {
		st, err := m.open()
		if err != nil {
			return err
		}
		if m.state.CompareAndSwap(st, newMemoryState(st.epoch+1)) {
			return nil
		}
	}
}

func (m *memory) Close() error {
	m.state.Store(nil)
	m.sweep.close()
	return nil
}

// Stats reports what only the store itself can count.
func (m *memory) Stats() Stats {
	s := Stats{Expired: m.expired.Load()}
	if st := m.state.Load(); st != nil {
		s.Bytes = st.bytes.Load()
	}
	return s
}

// sweepStep removes some expired keys while others can't write. Readers go on.
func (m *memory) sweepStep() time.Duration {
	st := m.state.Load()
	if st == nil {
		return -1
	}
	st.table.lockAll()
	defer st.table.unlockAll()
	st.index.mu.Lock()
	defer st.index.mu.Unlock()
	now := m.now()
	for range memorySweepStep {
		name, next := st.index.popDue(now)
		if name == nil {
			return next
		}
		key := name.key()
		hash := st.table.hash(key)
		at := st.table.find(hash, key)
		st.table.remove(hash, at)
		st.release(at.record)
		m.expired.Add(1)
	}
	return 0
}
