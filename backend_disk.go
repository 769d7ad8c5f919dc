package extlibs

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/diskstore"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Bounds of the work that a look at the file does at once, for the sake of others.
const (
	boltScanKeys   = 1024    // keys that a page looks at
	boltMatchKeys  = 8       // keys that are matched between two looks at the context
	boltScanBytes  = 1 << 20 // bytes of values on a page
	boltSweepKeys  = 512     // expired keys that are removed at once
	boltSweepPause = 2 * time.Millisecond
)

// boltStore is a store on disk. What becomes of keys is decided here; how that
// reaches the disk, and when, is package boltfile's.
type boltStore struct {
	opts    options
	disk    *diskstore.Store
	now     func() time.Time // readings that the file can hold
	sweep   sweeper
	expired atomic.Int64
}

// openBolt opens the file at loc, and creates it if there is none. claim is asked
// before a file is locked.
func openBolt(ctx context.Context, loc access.Location, opts options, claim func(os.FileInfo) error) (*boltStore, error) {
	now := diskstore.Clock(opts.now)
	disk, err := diskstore.Open(ctx, loc, diskstore.Options{
		Options: boltfile.Options{
			MaxBytes: opts.maxFileBytes, MaxValue: int64(opts.maxValueBytes), LockTimeout: opts.lockTimeout, Now: now, Logger: opts.logger,
			ReadOnly: opts.readOnly, Hook: opts.diskHook, Claim: claim, VerifyBytes: opts.verifyBytes,
		},
		Interval: opts.mode.interval, LogBytes: opts.logBytes,
	})
	if err != nil {
		return nil, err
	}
	s := &boltStore{opts: opts, disk: disk, now: now}
	if !disk.File().ReadOnly() {
		s.sweep = sweeper{interval: opts.sweepInterval, pause: boltSweepPause, jumps: true, step: s.sweepStep, failed: s.sweepFailed}
		s.sweep.expect(0) // the file may hold keys that expired while it was closed
	}
	return s, nil
}

// HoldsFile implements FileHolder.
func (s *boltStore) HoldsFile(info os.FileInfo) bool { return s.disk.Is(info) }

// write has a call planned, and waits until it is as durable as it has to be.
func (s *boltStore) write(ctx context.Context, plan func(*diskstore.Plan) error) error {
	if s.disk.File().ReadOnly() {
		return s.errReadOnly()
	}
	return s.disk.Do(ctx, plan)
}

func (s *boltStore) errReadOnly() error {
	if s.opts.readOnly {
		return kverr.Errorf(ErrReadOnly, "the file was opened with ReadOnly; let the host open it without")
	}
	return kverr.Errorf(ErrReadOnly, "the file is open read-only; give the host's user write permission and open it again")
}

// liveEntry is what a caller sees of a state at that time, else ErrNotFound.
func liveEntry(key string, s boltfile.State, now time.Time) (Entry, error) {
	value, left := liveAt(now, keyState{Value{s.Value}, s.Deadline})
	if !s.Exists || left < 0 {
		return Entry{}, ErrNotFound
	}
	return Entry{key, value, left}, nil
}

// liveAt is the value of an entry and the time that it has left, less than 0 if
// that is over.
func liveAt(now time.Time, e keyState) (Value, time.Duration) {
	if e.deadline == 0 {
		return e.value, 0
	}
	if left := time.Duration(e.deadline - now.UnixNano()); left > 0 {
		return e.value, left
	}
	return Value{}, -1
}

func (s *boltStore) Load(_ context.Context, key string, need Need) (Entry, error) {
	now := s.now()
	state, err := s.disk.Load(now, key, need&NeedValue != 0)
	if err != nil {
		return Entry{}, err
	}
	return liveEntry(key, state, now)
}

// LoadMany counts what it copies, so that keys of large values end in an error
// before they have taken the memory.
func (s *boltStore) LoadMany(ctx context.Context, keys []string, need Need) ([]Entry, error) {
	entries := make([]Entry, 0, len(keys))
	held := newBudget(ctx, s.opts.maxOperationBytes)
	now := s.now()
	err := s.disk.View(now, func(v *diskstore.View) error {
		for _, key := range keys {
			state, err := v.State(key, need&NeedValue != 0)
			if err != nil {
				return err
			}
			e, err := liveEntry(key, state, now)
			if err != nil {
				continue
			}
			if err := held.takeValue(e.Value.Len(), need); err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}

func (s *boltStore) Apply(ctx context.Context, op Op) (Result, error) {
	results, err := s.ApplyMany(ctx, []Op{op})
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}

func (s *boltStore) ApplyMany(ctx context.Context, ops []Op) ([]Result, error) {
	results := make([]Result, len(ops))
	read := slices.ContainsFunc(ops, func(op Op) bool { return op.readsValue() })
	plans, byKey := plansOf(ops) // not in the plan: nobody else plans meanwhile
	err := s.write(ctx, func(w *diskstore.Plan) (err error) {
		held := newBudget(ctx, s.opts.maxOperationBytes)
		err = w.States(len(plans), func(i int) string { return plans[i].key }, read, func(i int, state boltfile.State, err error) error {
			if err := plans[i].begin(state, err, read); err != nil || !read || len(ops) == 1 {
				return err
			}
			return held.take(plans[i].was.value.Len())
		})
		if err != nil {
			return err
		}
		for i := range ops {
			p := plans[0]
			if len(plans) > 1 {
				p = byKey[ops[i].Key]
			}
			if results[i], err = p.step(&ops[i], w.Now); err != nil {
				return err
			}
		}
		if err := s.admit(w, plans); err != nil {
			return err
		}
		for _, p := range plans {
			if p.changed {
				was := boltfile.State{Exists: p.existed, Deadline: p.was.deadline}
				w.Change(p.key, was, boltfile.State{Exists: !p.next.value.IsZero(), Deadline: p.next.deadline, Value: p.next.value.data})
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

// plansOf returns a plan for each key of ops, in the order of the keys, which is that
// of the file and of what waits to be written to it.
func plansOf(ops []Op) (plans []*plan, byKey map[string]*plan) {
	if len(ops) == 1 {
		return []*plan{{key: ops[0].Key, first: ops[0].Kind}}, nil
	}
	all := make([]plan, len(ops))
	plans, byKey = make([]*plan, 0, len(ops)), make(map[string]*plan, len(ops))
	for i := range ops {
		if byKey[ops[i].Key] == nil {
			p := &all[i]
			p.key, p.first = ops[i].Key, ops[i].Kind
			byKey[p.key] = p
			plans = append(plans, p)
		}
	}
	slices.SortFunc(plans, func(a, b *plan) int { return strings.Compare(a.key, b.key) })
	return plans, byKey
}

// begin starts a plan, or starts it again, with what is stored under its key. read is
// whether operations on the key, which may be several, ask for its value.
func (p *plan) begin(state boltfile.State, err error, read bool) error {
	*p = plan{key: p.key, first: p.first, existed: state.Exists, was: keyState{deadline: state.Deadline}}
	switch {
	case read:
		p.was.value = Value{state.Value}
	case state.Exists && err == nil:
		p.was.value = unread
	}
	switch {
	case err == nil:
		p.next = p.was
	case !state.Exists, errors.Is(err, ErrTooLarge): // nobody knows whether there is one, or what it is
		return err
	case p.first == OpDelete: // removing a damaged entry mends it
		p.changed = true
	case p.first != OpSet: // and so does replacing it
		return err
	}
	return nil
}

// admit checks the limit of keys for plans that are to be carried out.
func (s *boltStore) admit(w *diskstore.Plan, plans []*plan) error {
	alive := int64(0)
	for _, p := range plans {
		alive += p.grows(w.Now)
	}
	return s.opts.admitKeys(alive, w.Live)
}

func (s *boltStore) Scan(ctx context.Context, r Range) (Page, error) {
	return scanThenMatch(ctx, r, s.scan)
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

// scan reads a page of a range without a pattern.
func (s *boltStore) scan(r Range) (Page, error) {
	var page Page
	now := s.now()
	err := s.disk.View(now, func(v *diskstore.View) error {
		page.Epoch = v.Epoch()
		size, looked := 0, 0
		return v.Scan(r.Prefix, r.After, r.Need&NeedValue != 0, func(key string, value []byte, deadline int64, exists bool) (bool, error) {
			switch {
			case r.After != "" && key == r.After:
				return true, nil
			case looked == boltScanKeys || size > boltScanBytes || r.Limit > 0 && len(page.Entries) == r.Limit:
				page.More = true
				return false, nil
			}
			looked++
			page.Next = key
			_, left := liveAt(now, keyState{deadline: deadline})
			if !exists || left < 0 {
				return true, nil
			}
			e := Entry{Key: key, TTL: left}
			if r.Need&NeedValue != 0 {
				e.Value = Value{string(value)}
				size += len(value)
			}
			page.Entries = append(page.Entries, e)
			return true, nil
		})
	})
	return page, err
}

func (s *boltStore) Len(context.Context) (int, error) {
	n, err := s.disk.Len(s.now())
	return int(n), err
}

func (s *boltStore) Clear(ctx context.Context) error {
	return s.write(ctx, func(w *diskstore.Plan) error { w.Clear(); return nil })
}

// Close brings everything into the file, and waits for the reads.
func (s *boltStore) Close() error {
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		s.sweep.close()
	}()
	select {
	case <-swept:
	case <-s.disk.File().Broken(): // a sweep may wait for the engine for ever
	}
	return s.disk.Close()
}

// Stats implements StatsReporter.
func (s *boltStore) Stats(context.Context) (Stats, error) {
	bytes, buffered := s.disk.Size()
	return Stats{Commits: s.disk.Commits(), Expired: s.expired.Load(), Bytes: bytes, Buffered: buffered}, nil
}

// Backup implements Backuper.
func (s *boltStore) Backup(ctx context.Context, w io.Writer) error { return s.disk.Backup(ctx, w) }

// backupFile implements Handle.BackupFile.
func (s *boltStore) backupFile(ctx context.Context, loc access.Location) error {
	return s.disk.BackupFile(ctx, loc)
}

// Compact implements Compacter.
func (s *boltStore) Compact(ctx context.Context) error {
	if s.disk.File().ReadOnly() {
		return s.errReadOnly()
	}
	return s.disk.Compact(ctx)
}

// sweepFailed reports a panic of the sweeper, a bug. Expired keys stay in the file then,
// invisible as ever.
func (s *boltStore) sweepFailed(p any) {
	s.opts.logger.Error("kv: expired keys were not removed", "path", s.disk.File().Path(),
		"error", kverr.Panicked("the sweeper", p), "stack", string(debug.Stack()))
}

// sweepStep removes some expired keys as any other call would, if there are any.
func (s *boltStore) sweepStep() time.Duration {
	due, err := s.disk.Due(s.now(), boltSweepKeys)
	if err == nil && due.Stray() {
		s.opts.logger.Warn("kv: the file's index of deadlines names keys that are not there; they are removed from it", "path", s.disk.File().Path())
		if err := s.disk.DropStray(context.Background(), due); err != nil && !errors.Is(err, ErrClosed) {
			s.opts.logger.Warn("kv: they could not be removed", "path", s.disk.File().Path(), "error", err)
		}
	}
	if err == nil && len(due.Keys) > 0 {
		removed := int64(0)
		err = s.write(context.Background(), func(w *diskstore.Plan) error {
			removed = 0
			for _, key := range due.Keys {
				state, err := w.State(key, false)
				if err != nil || !state.Exists || state.Deadline <= 0 || state.Deadline > w.Now {
					continue // it has more time by now, or is for its reader to hear about
				}
				w.Change(key, state, boltfile.State{})
				removed++
			}
			return nil
		})
		s.expired.Add(removed)
	}
	if err != nil {
		if !errors.Is(err, ErrClosed) {
			s.opts.logger.Warn("kv: expired keys were not removed", "path", s.disk.File().Path(), "error", err)
		}
		return -1 // the next key with a deadline starts the sweeper again
	}
	return due.Next
}
