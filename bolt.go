package extlibs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Bounds of the work that a transaction does at once, for the sake of others.
const (
	boltScanKeys   = 1024    // keys that a page looks at
	boltScanBytes  = 1 << 20 // bytes of values on a page
	boltSweepKeys  = 1024    // expired keys removed in one transaction
	boltSweepTime  = 2 * time.Millisecond
	boltSweepPause = 2 * time.Millisecond
)

// boltStore is a store in a bbolt file. Its reads are short transactions of
// their own, its writes go through the committer.
type boltStore struct {
	opts  options
	path  string
	c     *committer // nil: the file is read-only
	sweep sweeper

	// engine is held shared by every use of db, and alone by Close and by
	// Compact when it puts another file in its place.
	engine sync.RWMutex
	db     *bolt.DB // nil: closed
	info   os.FileInfo
	file   atomic.Pointer[os.File] // the engine's; closing it gives up the lock

	damaged atomic.Pointer[kverr.Error] // why the engine can't go on
	broken  chan struct{}               // closed when damaged is set
	breaks  sync.Once
	commits atomic.Int64
	expired atomic.Int64
}

func newBoltStore(db *bolt.DB, f storeFile, path string, opts options) *boltStore {
	s := &boltStore{opts: opts, path: path, db: db, info: f.info, broken: make(chan struct{})}
	s.file.Store(f.File)
	if !db.IsReadOnly() {
		s.c = newCommitter(s.update, opts.now, func() { s.commits.Add(1) })
		s.c.broken, s.c.why = s.broken, func() error { return s.damaged.Load() }
		s.sweep = sweeper{interval: opts.sweepInterval, pause: boltSweepPause, step: s.sweepStep}
		s.sweep.expect(0) // the file may hold keys that expired while it was closed
	}
	return s
}

// use is the only way to the engine.
func (s *boltStore) use(fn func(*bolt.DB) error) error {
	s.engine.RLock()
	defer s.engine.RUnlock()
	if s.db == nil {
		return ErrClosed
	}
	return s.guarded(func() error { return fn(s.db) })
}

func (s *boltStore) update(fn func(*bolt.Tx) error) error {
	return s.use(func(db *bolt.DB) error {
		id, refused := 0, false
		err := db.Update(func(tx *bolt.Tx) error {
			id = tx.ID()
			err := fn(tx)
			refused = err != nil
			return err
		})
		if err == nil || refused {
			return err
		}
		// A commit whose last step fails, the sync of the header, is in the
		// system's memory all the same. The engine goes on from it, and reuses
		// pages that the header on disk may still need: a power cut then would
		// leave nothing that can be opened. So that must be the last commit.
		seen := 0
		view := db.View(func(tx *bolt.Tx) error { seen = tx.ID(); return nil })
		if view == nil && seen < id {
			return err
		}
		return s.breakDown(kverr.Errorf(ErrCommitUnknown, "the disk failed in the middle of a commit, so that nobody knows whether it is stored; close the store and open it again: %w", err).(*kverr.Error))
	})
}

// breakDown lets nobody near the engine from now on.
func (s *boltStore) breakDown(why *kverr.Error) error {
	s.breaks.Do(func() {
		s.damaged.Store(why)
		close(s.broken)
		s.opts.logger.Error("kv file can't be used any longer", "path", s.path, "error", why.Msg)
	})
	return why
}

func (s *boltStore) view(fn func(*boltTx) error) error { return s.read(newBoltTx, fn) }

// load is view for those who only load entries.
func (s *boltStore) load(fn func(*boltTx) error) error { return s.read(newLoadTx, fn) }

func (s *boltStore) read(newTx func(*bolt.Tx, time.Time) (*boltTx, error), fn func(*boltTx) error) error {
	return s.use(func(db *bolt.DB) error {
		return db.View(func(tx *bolt.Tx) error {
			t, err := newTx(tx, s.opts.now())
			if err != nil {
				return err
			}
			return fn(t)
		})
	})
}

// is reports whether the store's file is the one of info.
func (s *boltStore) is(info os.FileInfo) bool {
	s.engine.RLock()
	defer s.engine.RUnlock()
	return os.SameFile(s.info, info)
}

// guarded turns a panic or memory fault of the engine, which it answers damage
// with, into an error, and lets nobody near the engine afterwards.
func (s *boltStore) guarded(fn func() error) error {
	if d := s.damaged.Load(); d != nil {
		return d
	}
	err := guard(fn)
	var f *kverr.Error
	if errors.As(err, &f) && f.Kind == errEngine {
		return s.breakDown(&kverr.Error{Kind: ErrCorrupt, Msg: f.Msg, Cause: f.Cause})
	}
	return err
}

func (s *boltStore) write(ctx context.Context, change func(*boltTx) error) error {
	if s.c == nil {
		return s.errReadOnly()
	}
	return s.c.do(ctx, change)
}

func (s *boltStore) errReadOnly() error {
	return kverr.Errorf(ErrReadOnly, "the file is open read-only; give the host's user write permission and open it again")
}

func (s *boltStore) errKeys() error {
	return kverr.Errorf(ErrFull, "it holds its limit of %d keys; delete some, or let the host raise MaxKeys", s.opts.maxKeys)
}

func (s *boltStore) Load(_ context.Context, key string) (e Entry, err error) {
	err = s.load(func(t *boltTx) error {
		stored, err := t.liveEntry(key)
		if err == nil {
			e = Entry{key, stored.value, t.left(stored.deadline)}
		}
		return err
	})
	return e, err
}

// loadRaw is Load with the deadline as it is in the file.
func (s *boltStore) loadRaw(key string) (e pendingEntry, err error) {
	err = s.load(func(t *boltTx) error {
		e, err = t.liveEntry(key)
		return err
	})
	return e, err
}

func (s *boltStore) LoadMany(_ context.Context, keys []string) ([]Entry, error) {
	entries := make([]Entry, 0, len(keys))
	err := s.load(func(t *boltTx) error {
		for _, key := range keys {
			e, err := t.liveEntry(key)
			if err == nil {
				entries = append(entries, Entry{key, e.value, t.left(e.deadline)})
			} else if err != ErrNotFound {
				return err
			}
		}
		return nil
	})
	return entries, err
}

func (s *boltStore) Apply(ctx context.Context, op Op) (Result, error) {
	var result Result
	err := s.write(ctx, func(t *boltTx) error {
		p, err := t.plan(&op)
		if err != nil {
			return err
		}
		if result, err = p.step(&op, t.now); err != nil {
			return err
		}
		if err := s.admit(t, p); err != nil {
			return err
		}
		return t.carryOut(p)
	})
	if err != nil {
		return Result{}, err
	}
	s.expectExpiry(&op)
	return result, nil
}

func (s *boltStore) ApplyMany(ctx context.Context, ops []Op) ([]Result, error) {
	results := make([]Result, len(ops))
	ops = slices.Clone(ops) // the commit may still read them when ctx has ended the wait
	err := s.write(ctx, func(t *boltTx) (err error) {
		byKey := make(map[string]*plan, len(ops))
		plans := make([]*plan, 0, len(ops))
		for i := range ops {
			p := byKey[ops[i].Key]
			if p == nil {
				if p, err = t.plan(&ops[i]); err != nil {
					return err
				}
				byKey[p.key] = p
				plans = append(plans, p)
			}
			if results[i], err = p.step(&ops[i], t.now); err != nil {
				return err
			}
		}
		if err := s.admit(t, plans...); err != nil {
			return err
		}
		for _, p := range plans {
			if err := t.carryOut(p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range ops {
		s.expectExpiry(&ops[i])
	}
	return results, nil
}

// expectExpiry tells the sweeper of a deadline that op may have set.
func (s *boltStore) expectExpiry(op *Op) {
	if op.TTL != 0 {
		s.sweep.expect(op.TTL)
	}
}

// plan starts the plan for the key of op.
func (t *boltTx) plan(op *Op) (*plan, error) {
	value, deadline, exists, err := t.entry(op.Key)
	p := planFor(op.Key, pendingEntry{value, deadline}, exists)
	switch {
	case err == nil:
	case op.Kind == OpDelete: // removing a damaged entry mends it
		p.exists, p.changed = false, true
	case op.Kind != OpSet: // and so does replacing it
		return nil, err
	}
	return p, nil
}

// admit checks the limit of keys for plans that are to be carried out.
func (s *boltStore) admit(t *boltTx, plans ...*plan) error {
	limit := int64(s.opts.maxKeys)
	if limit <= 0 {
		return nil
	}
	keys := t.count
	for _, p := range plans {
		wasLive := p.existed && t.live(p.was.deadline)
		if p.exists && !wasLive {
			keys++
		} else if wasLive && !p.exists {
			keys--
		}
	}
	if keys > t.count && keys > limit && keys-t.expired() > limit {
		return s.errKeys()
	}
	return nil
}

func (t *boltTx) carryOut(p *plan) error {
	var err error
	switch {
	case !p.changed:
	case p.exists:
		err = t.put(p.key, p.was.deadline, p.existed, p.next.deadline, p.next.value)
	case p.existed:
		err = t.remove(p.key, p.was.deadline)
	}
	if err != nil {
		return &txError{err}
	}
	return nil
}

func (s *boltStore) Scan(_ context.Context, r Range) (Page, error) {
	var page Page
	err := s.view(func(t *boltTx) error {
		page.Epoch = metaNumber(t.meta, metaEpoch)
		prefix, size := []byte(r.Prefix), 0
		c := t.data.Cursor()
		k, rec := c.Seek([]byte(max(r.Prefix, r.After)))
		if k != nil && r.After != "" && string(k) == r.After {
			k, rec = c.Next()
		}
		for looked := 0; k != nil && bytes.HasPrefix(k, prefix); k, rec = c.Next() {
			if looked == boltScanKeys || size > boltScanBytes || (r.Limit > 0 && len(page.Entries) == r.Limit) {
				page.More = true
				return nil
			}
			looked++
			key := string(k)
			page.Next = key
			if r.Match != nil && !r.Match(key) {
				continue
			}
			deadline, raw, err := parseRecord(k, rec)
			if err != nil {
				return err
			}
			if !t.live(deadline) {
				continue
			}
			e := Entry{Key: key, TTL: t.left(deadline)}
			if !r.KeysOnly {
				e.Value = Value{string(raw)}
				size += len(raw)
			}
			page.Entries = append(page.Entries, e)
		}
		return nil
	})
	return page, err
}

// lenWithout counts the live keys that are not among keys.
func (s *boltStore) lenWithout(keys []string) (int, error) {
	n := 0
	err := s.view(func(t *boltTx) error {
		n = int(t.count - t.expired())
		for _, key := range keys {
			if _, err := t.liveEntry(key); err == nil {
				n--
			} else if err != ErrNotFound {
				return err
			}
		}
		return nil
	})
	return n, err
}

func (s *boltStore) Len(context.Context) (int, error) {
	return s.lenWithout(nil)
}

func (s *boltStore) Clear(ctx context.Context) error {
	return s.write(ctx, (*boltTx).clear)
}

// Close commits the writes that are under way, and waits for the reads.
func (s *boltStore) Close() error {
	s.sweep.close()
	if s.c != nil {
		s.c.close()
	}
	if s.damaged.Load() != nil {
		s.abandon()
		return nil // the calls that failed have said why
	}
	s.engine.Lock()
	defer s.engine.Unlock()
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	if err := guard(db.Close); err != nil {
		return diskError(err)
	}
	return nil
}

// abandon gives up the file and its lock without the engine, which would wait
// for its own locks, and a panic may have left one of them locked. The memory
// that maps the file stays: a call that is stuck may still look at it.
func (s *boltStore) abandon() {
	s.damaged.Store(errAbandoned)
	unlock(s.file.Load())
	s.file.Load().Close()
}

var errAbandoned = kverr.Errorf(ErrClosed, "%w", ErrClosed).(*kverr.Error)

// Stats reports what only the store itself can count.
func (s *boltStore) Stats() Stats {
	st := Stats{Commits: s.commits.Load(), Expired: s.expired.Load()}
	s.use(func(db *bolt.DB) error {
		return db.View(func(tx *bolt.Tx) error { st.Bytes = tx.Size(); return nil })
	})
	return st
}

// sweepStep removes some expired keys in one transaction, if there are any.
func (s *boltStore) sweepStep() time.Duration {
	next := time.Duration(-1)
	err := s.view(func(t *boltTx) error {
		if k, v := t.expiry.Cursor().First(); k != nil {
			deadline, _ := splitExpiryEntry(k, v)
			next = max(0, time.Duration(deadline-t.now))
		}
		return nil
	})
	if err == nil && next == 0 {
		removed := int64(0)
		err = s.write(context.Background(), func(t *boltTx) (err error) {
			removed, next, err = t.sweep()
			return err
		})
		s.expired.Add(removed)
	}
	if err != nil {
		if !errors.Is(err, ErrClosed) {
			s.opts.logger.Warn("kv: expired keys were not removed", "path", s.path, "error", err)
		}
		return -1 // the next key with a deadline starts the sweeper again
	}
	return next
}

// sweep removes expired entries within the bounds of one step. next is as
// sweeper.step returns it.
func (t *boltTx) sweep() (removed int64, next time.Duration, err error) {
	began := time.Now()
	type entry struct {
		k, key   []byte
		deadline int64
	}
	var due []entry
	next = -1
	c := t.expiry.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		deadline, key := splitExpiryEntry(k, v)
		if deadline > t.now {
			next = time.Duration(deadline - t.now)
			break
		}
		if len(due) == boltSweepKeys {
			next = 0
			break
		}
		due = append(due, entry{bytes.Clone(k), bytes.Clone(key), deadline})
	}
	if len(due) > 0 {
		t.dirty = true // it may be already: others share the transaction
	}
	for i, e := range due {
		if i%32 == 31 && time.Since(began) > boltSweepTime {
			return removed, 0, nil
		}
		if err := t.expiry.Delete(e.k); err != nil {
			return 0, 0, &txError{err}
		}
		// A key that has another deadline by now keeps it, and a damaged entry
		// is for its reader to hear about.
		_, current, exists, err := t.entry(string(e.key))
		if err != nil || !exists || current != e.deadline {
			continue
		}
		if err := t.data.Delete(e.key); err != nil {
			return 0, 0, &txError{err}
		}
		t.count--
		removed++
	}
	return removed, next, nil
}

// diskError gives an engine's error its kind and says what can be done.
func diskError(err error) error {
	switch {
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return kverr.Errorf(ErrFull, "the file would grow past its limit; delete some keys, or let the host raise MaxFileBytes: %w", err)
	case errors.Is(err, berrors.ErrInvalidMapping):
		return kverr.Errorf(err, "the file could not be mapped into memory after it grew; close the store and open it again: %w", err)
	case isDiskFull(err):
		return kverr.Errorf(ErrFull, "the disk is full: %w", err)
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return ErrClosed
	}
	return err
}
