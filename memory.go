package extlibs

import (
	"context"
	"slices"
	"sync"
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
	growing  sync.Mutex   // held from the count of the live keys until there are more, where they are limited
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

// entry is the live entry of a record at *at, which is read from the clock where
// it is 0: a call has one time for all its keys, and a record without a deadline
// costs no look at the clock.
func (m *memory) entry(key string, r *record, at *int64) (Entry, bool) {
	if r == nil {
		return Entry{}, false
	}
	e := Entry{Key: key, Value: r.value()}
	if deadline := r.deadline(); deadline != 0 {
		if *at == 0 {
			*at = m.now()
		}
		if e.TTL = time.Duration(deadline - *at); e.TTL <= 0 {
			return Entry{}, false
		}
	}
	return e, true
}

func (m *memory) Load(_ context.Context, key string, _ Need) (Entry, error) {
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
	var at int64
	if e, ok := m.entry(key, st.table.find(hash, key).record, &at); ok {
		return e, nil
	}
	return Entry{}, ErrNotFound
}

func (m *memory) LoadMany(_ context.Context, keys []string, _ Need) ([]Entry, error) {
	st, err := m.open()
	if err != nil {
		return nil, err
	}
	unlock := st.lockShards(len(keys), func(i int) string { return keys[i] })
	defer unlock()
	entries := make([]Entry, 0, len(keys))
	var at int64
	for _, key := range keys {
		if e, ok := m.entry(key, st.table.load(key), &at); ok {
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
	was := old.state()
	now := int64(0)
	if was.deadline != 0 || op.TTL != 0 { // else nothing asks for the time
		now = m.now()
	}
	next, result, changed, err := op.transition(was, now)
	if err != nil || !changed {
		return result, 0, err
	}
	if next.value.IsZero() {
		st.table.remove(hash, at)
		st.release(old)
		st.index.remove(old)
		return result, 0, nil
	}
	record := newRecord(op.Key, next.value, next.deadline)
	comesAlive := was.live(now).IsZero()
	if comesAlive && m.opts.maxKeys > 0 {
		st.growing.Lock()
		defer st.growing.Unlock()
	}
	grows, alive := int64(0), int64(0)
	if old == nil {
		grows = 1
	}
	if comesAlive {
		alive = 1
	}
	if err := m.admit(st, record.size()-old.size(), grows, alive); err != nil {
		return Result{}, 0, err
	}
	switch {
	case old == nil:
		st.index.add(record)
	case was.deadline != next.deadline:
		st.index.move(old, record)
	}
	st.table.put(hash, at, record)
	if next.deadline != was.deadline {
		deadline = next.deadline
	}
	return result, deadline, nil
}

// admit reserves the room for a change that takes so many more bytes and records
// and brings so many keys to life, or says which limit is in the way. Where keys
// are limited, growing is locked until the index has them.
func (m *memory) admit(st *memoryState, bytes, records, alive int64) error {
	if bytes != 0 {
		total := st.bytes.Add(bytes)
		if limit := m.opts.maxMemoryBytes; limit > 0 && bytes > 0 && total > limit {
			st.bytes.Add(-bytes)
			return kverr.Errorf(ErrFull, "it would take more than its limit of %d bytes; delete some keys, or let the host raise MaxMemoryBytes", limit)
		}
	}
	if m.opts.maxKeys > 0 {
		err := m.opts.admitKeys(alive, func() (int64, error) { return int64(st.index.live(m.now)), nil })
		if err != nil {
			st.bytes.Add(-bytes)
			return err
		}
	}
	if records != 0 {
		st.keys.Add(records)
	}
	return nil
}

// state is what the record holds; of no record nothing.
func (r *record) state() keyState {
	if r == nil {
		return keyState{}
	}
	return keyState{r.value(), r.deadline()}
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
	results, soonest, err := m.applyMany(st, ops)
	unlock()
	if err != nil {
		return nil, err
	}
	if soonest != 0 {
		m.sweep.expect(time.Duration(soonest - m.now()))
	}
	return results, nil
}

// applyMany carries out a batch, whose shards are locked. It returns the soonest
// deadline that is new.
func (m *memory) applyMany(st *memoryState, ops []Op) (results []Result, soonest int64, err error) {
	now := m.now()
	results, plans, err := st.plan(ops, now)
	if err != nil {
		return nil, 0, err
	}
	var bytes, records, alive int64
	for _, p := range plans {
		if p.existed {
			bytes -= entryBytes(len(p.key), p.was.value.Len())
			records--
		}
		if !p.next.value.IsZero() {
			bytes += entryBytes(len(p.key), p.next.value.Len())
			records++
		}
		alive += p.grows(now)
	}
	if alive > 0 && m.opts.maxKeys > 0 {
		st.growing.Lock()
		defer st.growing.Unlock()
	}
	if err := m.admit(st, bytes, records, alive); err != nil {
		return nil, 0, err
	}
	return results, st.carryOut(plans), nil
}

// plan decides what becomes of the keys of a batch.
func (st *memoryState) plan(ops []Op, now int64) (results []Result, plans []*plan, err error) {
	results = make([]Result, len(ops))
	byKey := make(map[string]*plan, len(ops))
	for i := range ops {
		p := byKey[ops[i].Key]
		if p == nil {
			r := st.table.load(ops[i].Key)
			p = &plan{key: ops[i].Key, existed: r != nil, was: r.state()}
			p.next = p.was
			byKey[p.key] = p
			plans = append(plans, p)
		}
		if results[i], err = p.step(&ops[i], now); err != nil {
			return nil, nil, err
		}
	}
	return results, slices.DeleteFunc(plans, func(p *plan) bool { return !p.changed }), nil
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
		if p.next.value.IsZero() {
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
	if r.Need != 0 {
		st.table.lockAll()
		defer st.table.unlockAll()
	}
	page := Page{Epoch: st.epoch}
	var at int64
	page.More, page.Next = st.index.walk(r, func(key string, mayExpire bool) int {
		e, ok := Entry{Key: key}, true
		if mayExpire || r.Need != 0 {
			e, ok = m.entry(key, st.table.load(key), &at)
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

// Stats implements StatsReporter.
func (m *memory) Stats(context.Context) (Stats, error) {
	s := Stats{Expired: m.expired.Load()}
	if st := m.state.Load(); st != nil {
		s.Bytes = st.bytes.Load()
	}
	return s, nil
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
