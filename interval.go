package extlibs

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/tidwall/btree"
)

// pendingBytes is what may wait in memory for the next commit. A write beyond
// it waits for that commit.
const pendingBytes = 64 << 20

// A write has to be on disk an interval after it was acknowledged. It may wait
// for the commit before its own, then for its own; so a commit begins after a
// part of the interval, and writers that are faster than the disk wait when the
// next one would take longer than another part. The rest is for a disk that
// turns out slower than the last time.
const (
	commitDelay  = 6  // the part of the interval that a commit waits for more
	commitBudget = 12 // the part of the interval that a commit may take

	freeEntries = 100 // may always wait
	firstCost   = 20 * time.Microsecond
)

// intervalStore is a bolt store whose writes wait in memory for a commit that
// they share. Its calls see what is pending over what the file holds.
//
// There are at most two generations of pending writes: the newest, which takes
// writes, and the one that is being committed. A batch is always within one of
// them, so a crash loses whole batches or none of it.
type intervalStore struct {
	disk *boltStore
	d    time.Duration

	mu         sync.RWMutex
	newest     *generation
	committing *generation // nil: no commit is under way
	epoch      uint64
	failed     error // why the last commit failed; its writes are kept
	closed     bool
	timer      *time.Timer   // set while newest holds writes
	cost       time.Duration // of one entry in a commit, by the slowest of late

	flushing sync.Mutex // held by the one commit at a time
	timers   sync.WaitGroup
}

func newIntervalStore(disk *boltStore, d time.Duration) *intervalStore {
	return &intervalStore{disk: disk, d: d, cost: firstCost, newest: &generation{}}
}

// A call reads the clock once, before it looks at any entry, and judges by it what
// is pending and what is in the file.
func (s *intervalStore) now() time.Time { return s.disk.opts.now() }

// liveAt is the value of an entry that is there at that time, else none.
func liveAt(now time.Time, e keyState) (Value, time.Duration) {
	if e.deadline == 0 || e.value.IsZero() {
		return e.value, 0
	}
	if left := e.deadline - now.UnixNano(); left > 0 {
		return e.value, time.Duration(left)
	}
	return Value{}, 0
}

// generations returns those whose entries count, newest first.
func (s *intervalStore) generations() []*generation {
	if s.committing == nil || s.newest.cleared {
		return []*generation{s.newest}
	}
	return []*generation{s.newest, s.committing}
}

// pending looks a key up in memory. Where found is false the file has the word.
func (s *intervalStore) pending(key string) (e keyState, found bool) {
	for _, g := range s.generations() {
		if e, ok := g.entries.Get(key); ok {
			return e, true
		}
		if g.cleared {
			return keyState{}, true
		}
	}
	return keyState{}, false
}

func (s *intervalStore) Load(_ context.Context, key string, need Need) (Entry, error) {
	now := s.now()
	s.mu.RLock()
	e, found := s.pending(key)
	closed := s.closed
	s.mu.RUnlock()
	switch {
	case closed:
		return Entry{}, ErrClosed
	case !found:
		return s.disk.loadAt(now, key, need)
	}
	if value, left := liveAt(now, e); !value.IsZero() {
		return Entry{key, value, left}, nil
	}
	return Entry{}, ErrNotFound
}

// LoadMany holds the lock while it reads the file, so that all entries are of
// one moment.
func (s *intervalStore) LoadMany(ctx context.Context, keys []string, need Need) ([]Entry, error) {
	now := s.now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	onDisk := make([]string, 0, len(keys))
	for _, key := range keys {
		if _, found := s.pending(key); !found {
			onDisk = append(onDisk, key)
		}
	}
	stored, err := s.disk.loadManyAt(ctx, now, onDisk, need)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(keys))
	for _, key := range keys {
		if e, found := s.pending(key); found {
			if value, left := liveAt(now, e); !value.IsZero() {
				entries = append(entries, Entry{key, value, left})
			}
		} else if len(stored) > 0 && stored[0].Key == key {
			entries = append(entries, stored[0])
			stored = stored[1:]
		}
	}
	return entries, nil
}

func (s *intervalStore) Apply(ctx context.Context, op Op) (Result, error) {
	results, err := s.ApplyMany(ctx, []Op{op})
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}

func (s *intervalStore) ApplyMany(ctx context.Context, ops []Op) ([]Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, kverr.Errorf(err, "not done: %w", err)
	}
	results := make([]Result, len(ops))
	s.mu.Lock()
	err := s.writable(ops)
	if err == nil {
		err = s.apply(ops, results)
	}
	n := s.newest.entries.Len()
	full := s.newest.bytes > pendingBytes || n > freeEntries && time.Duration(n)*s.cost > s.d/commitBudget
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if full {
		s.flush() // its error is kept for the next write; this one is pending like others
	}
	return results, nil
}

// writable reports why ops can't be taken. After a failed commit only those that
// may make room are.
func (s *intervalStore) writable(ops []Op) error {
	switch {
	case s.closed:
		return ErrClosed
	case s.disk.c == nil:
		return s.disk.errReadOnly()
	}
	if s.failed != nil {
		for _, op := range ops {
			if op.Kind != OpDelete {
				return s.failed
			}
		}
	}
	return nil
}

// apply carries out ops in memory, or none of them.
func (s *intervalStore) apply(ops []Op, results []Result) error {
	type old struct {
		entry keyState
		was   bool
	}
	now := s.now()
	undo := make([]old, 0, len(ops))
	growth := s.newest.growth
	var err error
	for i := range ops {
		op := &ops[i]
		var before old
		before.entry, before.was = s.newest.entries.Get(op.Key)
		if results[i], err = s.applyOne(op, now); err != nil {
			break
		}
		undo = append(undo, before)
	}
	if err != nil {
		for i := len(undo) - 1; i >= 0; i-- {
			s.newest.put(ops[i].Key, undo[i].entry, undo[i].was)
		}
		s.newest.growth = growth
		return err
	}
	s.armTimer()
	return nil
}

func (s *intervalStore) applyOne(op *Op, now time.Time) (Result, error) {
	was, err := s.current(op, now)
	if err != nil {
		return Result{}, err
	}
	next, result, changed, err := op.transition(was, now.UnixNano())
	if err != nil || !changed {
		return result, err
	}
	p := plan{was: was, next: next}
	alive := p.grows(now.UnixNano())
	if err := s.admit(alive, now); err != nil {
		return Result{}, err
	}
	s.newest.put(strings.Clone(op.Key), next, true)
	s.newest.growth += int(alive)
	return result, nil
}

// current is the entry that op finds.
func (s *intervalStore) current(op *Op, now time.Time) (keyState, error) {
	if e, found := s.pending(op.Key); found {
		return e, nil
	}
	e, err := s.disk.loadRawAt(now, op.Key)
	if errors.Is(err, ErrNotFound) {
		return keyState{}, nil
	}
	return e, err
}

// admit checks the limit of keys. The exact number takes a look at each pending
// key, so it is asked for only where an estimate that may be too high says so.
func (s *intervalStore) admit(alive int64, now time.Time) error {
	return s.disk.opts.admitKeys(alive, func() (int64, error) {
		n, err := s.disk.lenAt(now, nil)
		for _, g := range s.generations() {
			n += g.growth
		}
		if err == nil && n >= s.disk.opts.maxKeys {
			n, err = s.lenAt(now)
		}
		return int64(n), err
	})
}

// Scan merges a page of the file with what is pending in the same stretch of
// keys. The lock keeps the two of one moment; a commit that ends meanwhile makes
// no difference, because its writes hide the file's until the lock is free.
func (s *intervalStore) Scan(ctx context.Context, r Range) (Page, error) {
	return scanThenMatch(ctx, r, s.scan)
}

func (s *intervalStore) scan(r Range) (Page, error) {
	now := s.now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return Page{}, ErrClosed
	}
	var stored Page
	if !s.newest.cleared && (s.committing == nil || !s.committing.cleared) {
		var err error
		if stored, err = s.disk.scanAt(now, r); err != nil {
			return Page{}, err
		}
	}
	page := Page{Epoch: s.epoch, More: stored.More, Next: stored.Next}
	keys, end, cut := s.pendingKeys(r, stored)
	if cut {
		page.More, page.Next = true, end
		for n := len(stored.Entries); n > 0 && stored.Entries[n-1].Key > end; n-- {
			stored.Entries = stored.Entries[:n-1]
		}
	}
	for len(keys) > 0 || len(stored.Entries) > 0 {
		if r.Limit > 0 && len(page.Entries) == r.Limit {
			page.More, page.Next = true, page.Entries[r.Limit-1].Key
			break
		}
		if len(keys) == 0 || len(stored.Entries) > 0 && stored.Entries[0].Key < keys[0] {
			page.Entries = append(page.Entries, stored.Entries[0])
			stored.Entries = stored.Entries[1:]
			continue
		}
		key := keys[0]
		keys = keys[1:]
		if len(stored.Entries) > 0 && stored.Entries[0].Key == key {
			stored.Entries = stored.Entries[1:]
		}
		e, _ := s.pending(key)
		if value, left := liveAt(now, e); !value.IsZero() {
			page.Entries = append(page.Entries, Entry{key, value, left})
		}
	}
	return page, nil
}

// pendingKeys returns the pending keys of a range in order, as far as the file's
// page goes. Where they are too many for one page it cuts them off after end.
func (s *intervalStore) pendingKeys(r Range, stored Page) (keys []string, end string, cut bool) {
	var union btree.Set[string]
	for _, g := range s.generations() {
		n, last := 0, ""
		g.entries.Ascend(max(r.Prefix, r.After), func(key string, _ keyState) bool {
			switch {
			case key == r.After && key != "":
				return true
			case !strings.HasPrefix(key, r.Prefix) || stored.More && key > stored.Next:
				return false
			case n == boltScanKeys:
				if !cut || last < end {
					cut, end = true, last
				}
				return false
			}
			n, last = n+1, key
			union.Insert(key)
			return true
		})
	}
	keys = union.Keys()
	for n := len(keys); cut && n > 0 && keys[n-1] > end; n-- {
		keys = keys[:n-1]
	}
	return keys, end, cut
}

func (s *intervalStore) Len(context.Context) (int, error) {
	s.mu.RLock()
	many := s.newest.entries.Len() > boltScanKeys
	s.mu.RUnlock()
	if many { // a commit that is due soon anyway is cheaper than so many look-ups
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	now := s.now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return 0, ErrClosed
	}
	return s.lenAt(now)
}

// lenAt counts the live keys: the pending ones, and those of the file that they do
// not replace.
func (s *intervalStore) lenAt(now time.Time) (int, error) {
	var pending btree.Set[string]
	hidden := false
	for _, g := range s.generations() {
		g.entries.Scan(func(key string, _ keyState) bool { pending.Insert(key); return true })
		hidden = hidden || g.cleared
	}
	n, keys := 0, pending.Keys()
	if !hidden {
		var err error
		if n, err = s.disk.lenAt(now, keys); err != nil {
			return 0, err
		}
	}
	for _, key := range keys {
		e, _ := s.pending(key)
		if value, _ := liveAt(now, e); !value.IsZero() {
			n++
		}
	}
	return n, nil
}

// Clear hides what is pending and the file; the next commit makes it true.
func (s *intervalStore) Clear(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return kverr.Errorf(err, "not done: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(nil); err != nil {
		return err
	}
	s.newest = &generation{cleared: true}
	s.epoch++
	s.armTimer()
	return nil
}
