package extlibs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Bounds of the work that a transaction does at once, for the sake of others.
const (
	boltScanKeys   = 1024    // keys that a page looks at
	boltMatchKeys  = 8       // keys that are matched between two looks at the context
	boltScanBytes  = 1 << 20 // bytes of values on a page
	boltSweepPause = 2 * time.Millisecond
)

// boltStore is a store in a bbolt file. Its reads are short transactions of
// their own, its writes go through the committer.
type boltStore struct {
	opts    options
	file    *boltfile.File
	c       *committer // nil: the file is read-only
	sweep   sweeper
	commits atomic.Int64
	expired atomic.Int64
}

// openBolt opens the file at loc, and creates it if there is none.
func openBolt(loc access.Location, opts options) (*boltStore, error) {
	file, err := boltfile.Open(loc, boltfile.Options{
		MaxBytes: opts.maxFileBytes, LockTimeout: opts.lockTimeout, Now: opts.now, Logger: opts.logger,
		ReadOnly: opts.readOnly, Hook: opts.diskHook,
	})
	if err != nil {
		return nil, err
	}
	s := &boltStore{opts: opts, file: file}
	if !file.ReadOnly() {
		s.c = newCommitter(file.Update, func() { s.commits.Add(1) })
		s.c.broken, s.c.why = file.Broken(), file.Err
		s.sweep = sweeper{interval: opts.sweepInterval, pause: boltSweepPause, jumps: true, step: s.sweepStep}
		s.sweep.expect(0) // the file may hold keys that expired while it was closed
	}
	return s, nil
}

// HoldsFile implements FileHolder.
func (s *boltStore) HoldsFile(info os.FileInfo) bool { return s.file.Is(info) }

func (s *boltStore) write(ctx context.Context, change func(*boltfile.Tx) error) error {
	if s.c == nil {
		return s.errReadOnly()
	}
	return s.c.do(ctx, change)
}

func (s *boltStore) errReadOnly() error {
	if s.opts.readOnly {
		return kverr.Errorf(ErrReadOnly, "the file was opened with ReadOnly; let the host open it without")
	}
	return kverr.Errorf(ErrReadOnly, "the file is open read-only; give the host's user write permission and open it again")
}

func (s *boltStore) Load(_ context.Context, key string, need Need) (e Entry, err error) {
	return s.loadAt(s.opts.now(), key, need)
}

// loadAt and the others of that name judge entries by their caller's reading of
// the clock, for one that has entries of its own to judge.
func (s *boltStore) loadAt(now time.Time, key string, need Need) (e Entry, err error) {
	err = s.file.ViewAt(now, func(t *boltfile.Tx) error {
		value, deadline, err := liveEntry(t, key)
		if err == nil {
			e = entryFor(t, key, value, deadline, need)
		}
		return err
	})
	return e, err
}

// liveEntry reads the entry of a live key, else it returns ErrNotFound. The value
// is a part of the file.
func liveEntry(t *boltfile.Tx, key string) (value []byte, deadline int64, err error) {
	value, deadline, exists, err := t.Entry(key)
	if err != nil {
		return nil, 0, err
	}
	if !exists || !t.Live(deadline) {
		return nil, 0, ErrNotFound
	}
	return value, deadline, nil
}

// entryFor copies of a live entry what a caller needs.
func entryFor(t *boltfile.Tx, key string, value []byte, deadline int64, need Need) Entry {
	e := Entry{Key: key, TTL: t.Left(deadline)}
	if need&NeedValue != 0 {
		e.Value = Value{string(value)}
	}
	return e
}

// loadRawAt is loadAt with the deadline as it is in the file.
func (s *boltStore) loadRawAt(now time.Time, key string) (e keyState, err error) {
	err = s.file.ViewAt(now, func(t *boltfile.Tx) error {
		value, deadline, err := liveEntry(t, key)
		e = keyState{Value{string(value)}, deadline}
		return err
	})
	return e, err
}

// LoadMany counts what it copies, so that keys of large values end in an error
// before they have taken the memory.
func (s *boltStore) LoadMany(ctx context.Context, keys []string, need Need) ([]Entry, error) {
	return s.loadManyAt(ctx, s.opts.now(), keys, need)
}

func (s *boltStore) loadManyAt(ctx context.Context, now time.Time, keys []string, need Need) ([]Entry, error) {
	entries := make([]Entry, 0, len(keys))
	held := newBudget(ctx, s.opts.maxOperationBytes)
	err := s.file.ViewAt(now, func(t *boltfile.Tx) error {
		for _, key := range keys {
			value, deadline, err := liveEntry(t, key)
			switch {
			case err == ErrNotFound:
				continue
			case err != nil:
				return err
			}
			if err := held.takeValue(len(value), need); err != nil {
				return err
			}
			entries = append(entries, entryFor(t, key, value, deadline, need))
		}
		return nil
	})
	return entries, err
}

func (s *boltStore) Apply(ctx context.Context, op Op) (Result, error) {
	var result Result
	err := s.write(ctx, func(t *boltfile.Tx) error {
		p, err := planOf(t, &op, op.readsValue())
		if err != nil {
			return err
		}
		if result, err = p.step(&op, t.Now); err != nil {
			return err
		}
		if err := s.admit(t, p); err != nil {
			return err
		}
		return carryOut(t, p)
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
	read := slices.ContainsFunc(ops, func(op Op) bool { return op.readsValue() })
	err := s.write(ctx, func(t *boltfile.Tx) (err error) {
		held := newBudget(ctx, s.opts.maxOperationBytes)
		byKey := make(map[string]*plan, len(ops))
		plans := make([]*plan, 0, len(ops))
		for i := range ops {
			p := byKey[ops[i].Key]
			if p == nil {
				if p, err = planOf(t, &ops[i], read); err != nil {
					return err
				}
				if read {
					if err := held.take(p.was.value.Len()); err != nil {
						return err
					}
				}
				byKey[p.key] = p
				plans = append(plans, p)
			}
			if results[i], err = p.step(&ops[i], t.Now); err != nil {
				return err
			}
		}
		if err := s.admit(t, plans...); err != nil {
			return err
		}
		// In the order of the file: in any other one the engine takes a time that
		// grows faster than the square of their number.
		slices.SortFunc(plans, func(a, b *plan) int { return strings.Compare(a.key, b.key) })
		for _, p := range plans {
			if err := carryOut(t, p); err != nil {
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

// unread stands for the value of an entry where no operation asks what it is.
var unread = Value{"unread"}

// planOf starts the plan for the key of op. read is whether operations on the
// key, which may be several, ask for its value.
func planOf(t *boltfile.Tx, op *Op, read bool) (*plan, error) {
	value, deadline, exists, err := t.Entry(op.Key)
	p := &plan{key: op.Key, existed: exists, was: keyState{deadline: deadline}}
	switch {
	case read:
		p.was.value = Value{string(value)}
	case exists && err == nil:
		p.was.value = unread
	}
	switch {
	case err == nil:
		p.next = p.was
	case op.Kind == OpDelete && exists: // removing a damaged entry mends it
		p.changed = true
	case op.Kind != OpSet: // and so does replacing it
		return nil, err
	}
	return p, nil
}

// admit checks the limit of keys for plans that are to be carried out.
func (s *boltStore) admit(t *boltfile.Tx, plans ...*plan) error {
	alive := int64(0)
	for _, p := range plans {
		alive += p.grows(t.Now)
	}
	return s.opts.admitKeys(alive, func() (int64, error) {
		if t.Count+alive <= int64(s.opts.maxKeys) { // also with those that have expired
			return t.Count, nil
		}
		expired, err := t.Expired()
		return t.Count - expired, err
	})
}

func carryOut(t *boltfile.Tx, p *plan) error {
	switch {
	case !p.changed:
	case !p.next.value.IsZero():
		return t.Put(p.key, p.was.deadline, p.existed, p.next.deadline, p.next.value.data)
	case p.existed:
		return t.Remove(p.key, p.was.deadline)
	}
	return nil
}

func (s *boltStore) Scan(ctx context.Context, r Range) (Page, error) {
	return scanThenMatch(ctx, r, func(r Range) (Page, error) { return s.scanAt(s.opts.now(), r) })
}

// scanThenMatch has a page read without a pattern, and matches its keys then. A
// hostile pattern takes its time outside the transaction, which a writer that
// makes the file larger would wait for, and outside every lock.
func scanThenMatch(ctx context.Context, r Range, scan func(Range) (Page, error)) (Page, error) {
	match, limit := r.Match, r.Limit
	if match == nil {
		return scan(r)
	}
	r.Match, r.Limit = nil, 0
	page, err := scan(r)
	if err != nil {
		return Page{}, err
	}
	kept := page.Entries[:0]
	for i, e := range page.Entries {
		if i%boltMatchKeys == 0 && ctx.Err() != nil {
			return Page{}, ctx.Err()
		}
		if !match(e.Key) {
			continue
		}
		if limit > 0 && len(kept) == limit {
			page.More, page.Next = true, kept[limit-1].Key
			break
		}
		kept = append(kept, e)
	}
	page.Entries = kept
	return page, nil
}

// scanAt reads a page of a range without a pattern.
func (s *boltStore) scanAt(now time.Time, r Range) (Page, error) {
	var page Page
	err := s.file.ViewAt(now, func(t *boltfile.Tx) error {
		page.Epoch = t.Epoch()
		prefix, size, looked := []byte(r.Prefix), 0, 0
		return t.Scan(max(r.Prefix, r.After), func(k, rec []byte) (bool, error) {
			switch {
			case r.After != "" && string(k) == r.After:
				return true, nil
			case !bytes.HasPrefix(k, prefix):
				return false, nil
			case looked == boltScanKeys || size > boltScanBytes || r.Limit > 0 && len(page.Entries) == r.Limit:
				page.More = true
				return false, nil
			}
			looked++
			key := string(k)
			page.Next = key
			deadline, raw, err := boltfile.ParseRecord(k, rec)
			if err != nil || !t.Live(deadline) {
				return err == nil, err
			}
			e := Entry{Key: key, TTL: t.Left(deadline)}
			if r.Need&NeedValue != 0 {
				e.Value = Value{string(raw)}
				size += len(raw)
			}
			page.Entries = append(page.Entries, e)
			return true, nil
		})
	})
	return page, err
}

// lenAt counts the live keys that are not among keys.
func (s *boltStore) lenAt(now time.Time, keys []string) (int, error) {
	n := 0
	err := s.file.ViewAt(now, func(t *boltfile.Tx) error {
		expired, err := t.Expired()
		if err != nil {
			return err
		}
		n = int(t.Count - expired)
		for _, key := range keys {
			if _, _, err := liveEntry(t, key); err == nil {
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
	return s.lenAt(s.opts.now(), nil)
}

func (s *boltStore) Clear(ctx context.Context) error {
	return s.write(ctx, (*boltfile.Tx).Clear)
}

// Close commits the writes that are under way, and waits for the reads.
func (s *boltStore) Close() error {
	s.sweep.close()
	if s.c != nil {
		s.c.close()
	}
	return s.file.Close()
}

// Stats implements StatsReporter.
func (s *boltStore) Stats(context.Context) (Stats, error) {
	return Stats{Commits: s.commits.Load(), Expired: s.expired.Load(), Bytes: s.file.Size()}, nil
}

// sweepStep removes some expired keys in one transaction, if there are any.
func (s *boltStore) sweepStep() time.Duration {
	next := time.Duration(-1)
	err := s.file.View(func(t *boltfile.Tx) (err error) {
		next, err = t.NextDeadline()
		return err
	})
	if err == nil && next == 0 {
		removed := int64(0)
		err = s.write(context.Background(), func(t *boltfile.Tx) (err error) {
			removed, next, err = t.Sweep()
			return err
		})
		s.expired.Add(removed)
	}
	if err != nil {
		if !errors.Is(err, ErrClosed) {
			s.opts.logger.Warn("kv: expired keys were not removed", "path", s.file.Path(), "error", err)
		}
		return -1 // the next key with a deadline starts the sweeper again
	}
	return next
}
