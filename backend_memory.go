package extlibs

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/hashtable"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

const memoryBase = 1 << 61 // nanoseconds at which the time of a store begins: 73 years

// memory is the in-memory store: values, limits and time over a table that knows
// nothing of them. Each call uses one reading of the clock, taken when the records that it
// uses can no longer change.
type memory struct {
	opts    options
	base    time.Time // deadlines count from here, in monotonic time
	sweep   sweeper
	expired atomic.Int64
	evicted atomic.Int64
	memoryLitter
	state   atomic.Pointer[memoryState] // nil: closed, or failed
	watched watch
	failure atomic.Pointer[memoryFailure]
	memoryReplaced
}

// memoryLitter says when it is time to collect garbage, and to sweep: see
// backend_memory_gc.go.
type memoryLitter struct {
	written  atomic.Int64 // bytes, since it was time to collect garbage
	peak     atomic.Int64 // bytes that the store has held since then
	unswept  atomic.Int64 // bytes, since it was time to sweep
	gcDue    atomic.Bool  // it is time to collect garbage
	sweepDue atomic.Bool  // it is time to sweep
	littered atomic.Bool  // either is true
	tidied   string       // how far the sweep has tidied up; only the sweep uses it
}

// memoryReplaced counts the values that setRaw stored in previous states.
type memoryReplaced struct {
	replacing sync.Mutex   // held while another state, or none, takes the place of one
	counted   int64        // values that setRaw stored in previous states
	late      atomic.Int64 // values that setRaw stored in states after they had been counted
}

// memoryState is what Clear replaces atomically. A write that still goes into
// the old one is one that came before Clear.
type memoryState struct {
	epoch uint64
	*hashtable.Table
}

func newMemory(opts options) *memory {
	m := &memory{opts: opts, base: opts.now()}
	m.sweep = sweeper{interval: opts.sweepInterval, jumps: opts.clock != nil, step: m.sweepStep, failed: func(p any) {
		if st := m.state.Load(); st != nil {
			m.fail(st, p)
		}
	}}
	m.state.Store(m.newState(1))
	return m
}

func (m *memory) newState(epoch uint64) *memoryState {
	newTable := hashtable.NewTable
	if m.opts.evict {
		newTable = hashtable.NewCache
	}
	return &memoryState{epoch, newTable(hashtable.Config{
		Now:      m.now,
		MaxKeys:  int64(max(m.opts.maxKeys, 0)),
		MaxBytes: m.opts.memoryLimit(),
		Wrote:    m.wrote,
		Sooner:   func(deadline int64) { m.sweep.expect(time.Duration(deadline - m.now())) },
	})}
}

// now is more than 0, so that 0 can mean no deadline, and so much more that a
// clock may be set back. It ends before lastDeadline.
func (m *memory) now() int64 {
	if m.opts.clock == nil {
		return memoryBase + int64(time.Since(m.base))
	}
	since := int64(m.opts.clock().Sub(m.base))
	return memoryBase + min(max(since, 1-memoryBase), lastDeadline-1-memoryBase)
}

func (m *memory) open() (*memoryState, error) {
	if st := m.state.Load(); st != nil {
		return st, nil
	}
	if f := m.failure.Load(); f != nil {
		return nil, f.err
	}
	return nil, ErrClosed
}

// live returns the live record of a key with the time it has left, 0 for no expiry, or
// nil. r is what Get returned. An expired record must still be in the table after the
// look at the clock: otherwise the key was written meanwhile, and may never have been
// absent. A record without a deadline costs no look at the clock.
func (m *memory) live(st *memoryState, key string, r *hashtable.Record) (live *hashtable.Record, left time.Duration) {
	for r != nil && r.Deadline() != 0 {
		if left = time.Duration(r.Deadline() - m.now()); left > 0 {
			return r, left
		}
		again := st.Get(key)
		if again == r {
			return nil, 0
		}
		r = again
	}
	return r, 0
}

// entryOf is the entry of a record at a moment, if it is live then.
func entryOf(key string, r *hashtable.Record, now int64) (Entry, bool) {
	e := Entry{Key: key, Value: RawValue(r.Value())}
	if deadline := r.Deadline(); deadline != 0 {
		e.TTL = time.Duration(deadline - now)
		return e, e.TTL > 0
	}
	return e, true
}

// newRecord returns a record of an encoded value, with a scalar ready-made in it.
func newRecord(mark hashtable.Mark, key string, e codec.Encoded, deadline int64) *hashtable.Record {
	var head [codec.MaxHead]byte
	switch e.Kind {
	case cbor.Text:
		return hashtable.NewText(mark, key, cbor.AppendTextHead(head[:0], len(e.Body)), e.Body, deadline)
	case cbor.Int:
		return hashtable.NewInt(mark, key, cbor.AppendInt(head[:0], e.Int()), e.Int(), deadline)
	case cbor.Float:
		return hashtable.NewFloat(mark, key, cbor.AppendFloat(head[:0], e.Float()), e.Float(), deadline)
	}
	return hashtable.New(mark, key, e.AppendHead(head[:0]), e.Body, deadline)
}

// recordOf is newRecord for a Value.
func recordOf(mark hashtable.Mark, key string, v Value, deadline int64) *hashtable.Record {
	return newRecord(mark, key, codec.Parse(v.data), deadline)
}

func (m *memory) Load(_ context.Context, key string, _ Need) (Entry, error) {
	st, err := m.open()
	if err != nil {
		return Entry{}, err
	}
	r, left := m.live(st, key, st.Get(key))
	if r == nil {
		return Entry{}, ErrNotFound
	}
	return Entry{Key: key, Value: RawValue(r.Value()), TTL: left}, nil
}

func (m *memory) Apply(ctx context.Context, op Op) (Result, error) {
	for {
		st, err := m.open()
		if err != nil {
			return Result{}, err
		}
		m.collect(ctx)
		result, limit, busy, err := m.apply(ctx, st, &op, nil)
		if limit != hashtable.None && m.opts.evict {
			err = m.withRoom(ctx, st, func(room *hashtable.Room) (hashtable.Limit, error) {
				result, limit, busy, err = m.apply(ctx, st, &op, room)
				return limit, err
			})
			limit = hashtable.None
		}
		if busy != nil {
			if err := await(ctx, busy); err != nil {
				return Result{}, err
			}
			continue
		}
		if limit == hashtable.MaxBytes && m.reclaim(ctx, st) {
			continue
		}
		if err == nil {
			err = m.full(limit)
		}
		if err != nil {
			return Result{}, err
		}
		m.watched.applied(&op, result)
		return result, nil
	}
}

// await waits for a large batch that has the caller's key.
func await(ctx context.Context, busy <-chan struct{}) error {
	return unlocked(ctx, func() error { return awaitEither(ctx, 0, busy, nil) })
}

// apply is Apply if no limit and no large batch refuses it. If another caller
// has the lock of the key, the script's interpreter is free until the call is done.
func (m *memory) apply(ctx context.Context, st *memoryState, op *Op, room *hashtable.Room) (result Result, limit hashtable.Limit, busy <-chan struct{}, err error) {
	var s hashtable.Slot
	if s.TryLock(st.Table, op.Key) {
		return m.applyLocked(st, &s, op, room)
	}
	object.RunBlocking(ctx, func() {
		s.Lock(st.Table, op.Key)
		if err = ctx.Err(); err != nil {
			s.Unlock()
			return
		}
		result, limit, busy, err = m.applyLocked(st, &s, op, room)
	})
	return result, limit, busy, err
}

func (m *memory) applyLocked(st *memoryState, s *hashtable.Slot, op *Op, room *hashtable.Room) (result Result, limit hashtable.Limit, busy <-chan struct{}, err error) {
	defer m.guard(st, &err)
	defer s.Unlock()
	if busy := s.Busy(); busy != nil {
		return Result{}, hashtable.None, busy, nil
	}
	was, now := stateOf(s.Record()), int64(0)
	if was.deadline != 0 || op.TTL != 0 { // else nothing asks for the time
		now = s.Now()
	}
	next, result, changed, err := op.transition(was, now)
	if err != nil || !changed {
		return result, hashtable.None, nil, err
	}
	if next.value.IsZero() {
		s.Delete()
		return result, hashtable.None, nil, nil
	}
	r := recordOf(0, op.Key, next.value, next.deadline)
	if m.opts.evict {
		if err := m.checkFits(r); err != nil {
			return result, hashtable.None, nil, err
		}
	}
	return result, s.PutIn(r, room), nil, nil
}

// reclaim removes some of what expired keys still hold, for a write that the limit of
// bytes refuses, and reports whether it did.
func (m *memory) reclaim(ctx context.Context, st *memoryState) (some bool) {
	var failed error // the call that follows says it
	defer m.guard(st, &failed)
	now := m.now()
	if ctx.Err() != nil || !st.Wasted(now) {
		return false
	}
	n := m.removeExpired(st, now)
	m.expired.Add(int64(n))
	return st.TidyNext() || n > 0
}

// stateOf is what a record holds; of no record nothing.
func stateOf(r *hashtable.Record) keyState {
	if r == nil {
		return keyState{}
	}
	return keyState{RawValue(r.Value()), r.Deadline()}
}

// full returns the error of a write that a limit prevents.
func (m *memory) full(limit hashtable.Limit) error {
	switch limit {
	case hashtable.MaxBytes:
		return kverr.Errorf(ErrFull, "the store is full (limit: %d bytes); delete some keys, or raise MaxMemoryBytes in the host", m.opts.memoryLimit())
	case hashtable.MaxKeys:
		return m.opts.errKeys()
	}
	return nil
}

func (m *memory) Len(context.Context) (n int, err error) {
	st, err := m.open()
	if err != nil {
		return 0, err
	}
	defer m.guard(st, &err)
	return st.Live(), nil
}

func (m *memory) Clear(context.Context) error {
	err := m.replace(func(st *memoryState) *memoryState { return m.newState(st.epoch + 1) })
	if err == nil {
		m.watched.tellAll()
	}
	return err
}

func (m *memory) Close() error {
	m.replace(func(*memoryState) *memoryState { return nil })
	m.sweep.close()
	return nil
}

// replace replaces the last state with the next one, unless that is closed.
func (m *memory) replace(next func(last *memoryState) *memoryState) error {
	m.replacing.Lock()
	defer m.replacing.Unlock()
	last, err := m.open()
	if f := m.failure.Load(); f != nil { // a new table works again
		m.state.Store(next(&memoryState{epoch: f.epoch}))
		m.failure.Store(nil)
		return nil
	}
	if err != nil {
		return err
	}
	m.state.Store(next(last))
	m.counted += last.Retire()
	m.peak.Store(max(m.peak.Load(), last.Bytes()))
	return nil
}

// Stats implements StatsReporter.
func (m *memory) Stats(context.Context) (Stats, error) {
	s := Stats{Expired: m.expired.Load(), Evicted: m.evicted.Load()}
	if st := m.state.Load(); st != nil {
		s.Bytes = st.Bytes()
	}
	return s, nil
}

// Watch implements Watcher.
func (m *memory) Watch(ctx context.Context, changed func(key string, live bool)) (stop func(), err error) {
	return m.watched.Watch(ctx, changed)
}

// removeExpired removes some expired keys, and tells the watch.
func (m *memory) removeExpired(st *memoryState, now int64) int {
	if !m.watched.active() {
		return st.Sweep(now)
	}
	var gone []string
	n := st.SweepKeys(now, func(key string) { gone = append(gone, key) })
	for _, key := range gone {
		m.watched.tell(key, false)
	}
	return n
}

// sweepStep removes some expired keys, or tidies up some of what they leave.
func (m *memory) sweepStep() time.Duration {
	st := m.state.Load()
	if st == nil {
		return -1
	}
	now := m.now()
	n := m.removeExpired(st, now)
	m.expired.Add(int64(n))
	// Keys that come and expire without end must not keep it from tidying up.
	var more bool
	if m.tidied, more = st.Tidy(m.tidied); more || n > 0 {
		return 0
	}
	if deadline, ok := st.Soonest(); ok {
		return time.Duration(max(1, deadline-now))
	}
	return -1
}
