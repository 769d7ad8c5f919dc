package extlibs

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/puzpuzpuz/xsync/v4"
)

// Bounds of the in-memory store.
const (
	entryOverhead   = 96   // bytes that a key costs beside its own and its value's
	memoryScanStep  = 2048 // keys that a page looks at while it holds the index
	memorySweepStep = 256  // keys that a sweep removes while it holds the index

	memoryPageEntries = 64 // entries that a page has room for at first
)

// memory is the in-memory store. Reads of a key take no lock. A write of one
// key locks that key's bucket of the hash map, and the index only when the key
// appears, disappears or changes its deadline. A batch excludes all other
// writes, and readers wait for it.
type memory struct {
	opts    options
	base    time.Time // deadlines count from here, in monotonic time
	sweep   sweeper
	expired atomic.Int64

	writes  sync.RWMutex  // shared by writes of one key, held alone by all that concerns several
	batches atomic.Uint64 // goes up as a batch begins and as it ends: odd while one is half done

	state atomic.Pointer[memoryState] // nil: closed
}

// memoryState is what Clear replaces in one step.
type memoryState struct {
	epoch   uint64
	records *xsync.Map[string, record]
	keys    atomic.Int64
	bytes   atomic.Int64
	index   memoryIndex
}

type record struct {
	value    Value
	deadline int64 // nanoseconds after base; 0: none
}

func newMemory(opts options) *memory {
	m := &memory{opts: opts, base: opts.now()}
	m.sweep = sweeper{interval: opts.sweepInterval, step: m.sweepStep}
	m.state.Store(newMemoryState(1))
	return m
}

func newMemoryState(epoch uint64) *memoryState {
	return &memoryState{epoch: epoch, records: xsync.NewMap[string, record]()}
}

// now is never 0, so that 0 can mean no deadline.
func (m *memory) now() int64 {
	if m.opts.clock == nil {
		return int64(time.Since(m.base)) + 1
	}
	return int64(m.opts.clock().Sub(m.base)) + 1
}

func (m *memory) deadline(ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	return m.now() + int64(ttl)
}

// left is the time to live of a record, negative if it is over. A record
// without a deadline costs no look at the clock.
func (m *memory) left(r record) time.Duration {
	if r.deadline == 0 {
		return 0
	}
	if d := r.deadline - m.now(); d > 0 {
		return time.Duration(d)
	}
	return -1
}

func (m *memory) open() (*memoryState, error) {
	if st := m.state.Load(); st != nil {
		return st, nil
	}
	return nil, ErrClosed
}

// Load reads without a lock. Where a batch was under way meanwhile, it may have
// read what that has done so far and might undo again, and reads once more.
func (m *memory) Load(_ context.Context, key string) (Entry, error) {
	batches := m.batches.Load()
	e, err := m.read(key)
	if batches%2 == 1 || batches != m.batches.Load() {
		m.writes.RLock()
		defer m.writes.RUnlock()
		return m.read(key)
	}
	return e, err
}

func (m *memory) read(key string) (Entry, error) {
	st, err := m.open()
	if err != nil {
		return Entry{}, err
	}
	if e, ok := m.load(st, key); ok {
		return e, nil
	}
	return Entry{}, ErrNotFound
}

func (m *memory) load(st *memoryState, key string) (Entry, bool) {
	r, ok := st.records.Load(key)
	if !ok {
		return Entry{}, false
	}
	left := m.left(r)
	return Entry{Key: key, Value: r.value, TTL: left}, left >= 0
}

func (m *memory) LoadMany(_ context.Context, keys []string) ([]Entry, error) {
	m.writes.Lock()
	defer m.writes.Unlock()
	st, err := m.open()
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(keys))
	for _, key := range keys {
		if e, ok := m.load(st, key); ok {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

func (m *memory) Apply(_ context.Context, op Op) (Result, error) {
	m.writes.RLock()
	st, err := m.open()
	if err != nil {
		m.writes.RUnlock()
		return Result{}, err
	}
	w := memoryWrite{m: m, st: st, op: op}
	w.run()
	m.writes.RUnlock()
	m.expect(&w)
	return w.result, w.err
}

func (m *memory) expect(w *memoryWrite) {
	if w.err == nil && w.after.deadline != 0 && w.after.deadline != w.before.deadline {
		m.sweep.expect(time.Duration(w.after.deadline - m.now()))
	}
}

func (m *memory) ApplyMany(_ context.Context, ops []Op) ([]Result, error) {
	m.writes.Lock()
	st, err := m.open()
	if err != nil {
		m.writes.Unlock()
		return nil, err
	}
	m.batches.Add(1)
	done := make([]memoryWrite, len(ops))
	results := make([]Result, len(ops))
	for i := range ops {
		w := &done[i]
		*w = memoryWrite{m: m, st: st, op: ops[i]}
		if w.run(); w.err != nil {
			err = w.err
			for i--; i >= 0; i-- {
				done[i].undo()
			}
			break
		}
		results[i] = w.result
	}
	m.batches.Add(1)
	m.writes.Unlock()
	if err != nil {
		return nil, err
	}
	for i := range done {
		m.expect(&done[i])
	}
	return results, nil
}

// memoryWrite carries out one op in the critical section of its key.
type memoryWrite struct {
	m  *memory
	st *memoryState
	op Op

	existed bool // before was in the map, though perhaps expired
	before  record
	after   record
	change  Outcome
	result  Result
	err     error
}

func (w *memoryWrite) run() {
	// The map keeps the key. It must not keep a larger string alive of which
	// the caller's key is a part.
	key := w.op.Key
	if w.op.Kind != OpDelete {
		key = strings.Clone(key)
	}
	w.st.records.Compute(key, func(old record, existed bool) (record, xsync.ComputeOp) {
		w.existed, w.before = existed, old
		var current Value
		if existed && w.m.left(old) >= 0 {
			current = old.value
		}
		w.result, w.change, w.err = w.op.Next(current)
		if w.err != nil || w.change == Keep {
			w.change = Keep
			return old, xsync.CancelOp
		}
		if w.change == Remove {
			w.st.release(key, old)
			w.st.index.replace(key, true, old.deadline, false, 0)
			return record{}, xsync.DeleteOp
		}
		w.after = record{value: w.result.New}
		if w.change == PutKeep && current != "" {
			w.after.deadline = old.deadline
		} else {
			w.after.deadline = w.m.deadline(w.op.TTL)
		}
		if w.err = w.m.admit(w.st, key, old, existed, w.after); w.err != nil {
			w.change = Keep
			return old, xsync.CancelOp
		}
		w.st.index.replace(key, existed, old.deadline, true, w.after.deadline)
		return w.after, xsync.UpdateOp
	})
}

// undo puts back what the write found.
func (w *memoryWrite) undo() {
	if w.change == Keep {
		return
	}
	w.st.records.Compute(w.op.Key, func(now record, exists bool) (record, xsync.ComputeOp) {
		w.st.index.replace(w.op.Key, exists, now.deadline, w.existed, w.before.deadline)
		if exists {
			w.st.release(w.op.Key, now)
		}
		if !w.existed {
			return record{}, xsync.DeleteOp
		}
		w.st.keys.Add(1)
		w.st.bytes.Add(w.before.size(w.op.Key))
		return w.before, xsync.UpdateOp
	})
}

// admit reserves the room for a record that replaces old, or says which limit
// is in the way.
func (m *memory) admit(st *memoryState, key string, old record, existed bool, r record) error {
	grow := r.size(key) - old.sizeIf(existed, key)
	bytes := st.bytes.Add(grow)
	if limit := m.opts.maxMemoryBytes; limit > 0 && grow > 0 && bytes > limit {
		st.bytes.Add(-grow)
		return failf(ErrFull, "it would take more than its limit of %d bytes; delete some keys, or let the host raise MaxMemoryBytes", limit)
	}
	if existed {
		return nil
	}
	keys := st.keys.Add(1)
	if limit := int64(m.opts.maxKeys); limit > 0 && keys > limit && keys-int64(st.index.expired(m.now())) > limit {
		st.keys.Add(-1)
		st.bytes.Add(-grow)
		return failf(ErrFull, "it holds its limit of %d keys; delete some, or let the host raise MaxKeys", limit)
	}
	return nil
}

// release gives back the room of a record that goes.
func (st *memoryState) release(key string, r record) {
	st.bytes.Add(-r.size(key))
	st.keys.Add(-1)
}

func (r record) size(key string) int64 {
	return int64(len(key) + len(r.value) + entryOverhead)
}

func (r record) sizeIf(exists bool, key string) int64 {
	if !exists {
		return 0
	}
	return r.size(key)
}

func (m *memory) Scan(_ context.Context, r Range) (Page, error) {
	m.writes.Lock()
	defer m.writes.Unlock()
	st, err := m.open()
	if err != nil {
		return Page{}, err
	}
	page := Page{Epoch: st.epoch}
	page.More, page.Next = st.index.walk(r, func(key string, mayExpire bool) int {
		e, ok := Entry{Key: key}, true
		if mayExpire || !r.KeysOnly {
			e, ok = m.load(st, key)
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
	m.writes.Lock()
	defer m.writes.Unlock()
	st, err := m.open()
	if err != nil {
		return 0, err
	}
	return st.index.live(m.now), nil
}

// Clear starts an empty state. Writes that still hold the old one have all
// ended by then, and nobody sees the old one half empty.
func (m *memory) Clear(context.Context) error {
	m.writes.Lock()
	defer m.writes.Unlock()
	st, err := m.open()
	if err != nil {
		return err
	}
	m.state.Store(newMemoryState(st.epoch + 1))
	return nil
}

func (m *memory) Close() error {
	m.writes.Lock()
	m.state.Store(nil)
	m.writes.Unlock()
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

// sweepStep removes some expired keys. It takes the candidates from the index,
// then looks at each again in its key's critical section, because it may have
// got a new deadline meanwhile.
func (m *memory) sweepStep() time.Duration {
	m.writes.RLock()
	defer m.writes.RUnlock()
	st := m.state.Load()
	if st == nil {
		return -1
	}
	now := m.now()
	due, next := st.index.due(now, memorySweepStep)
	for _, key := range due {
		st.records.Compute(key, func(r record, exists bool) (record, xsync.ComputeOp) {
			if !exists || r.deadline == 0 || r.deadline > now {
				return r, xsync.CancelOp
			}
			st.release(key, r)
			st.index.replace(key, true, r.deadline, false, 0)
			m.expired.Add(1)
			return record{}, xsync.DeleteOp
		})
	}
	return next
}
