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

// Limits of the work that a scan or a sweep does at once, so that other calls do not wait.
const (
	diskScanKeys   = 1024    // keys that a page looks at
	diskMatchKeys  = 8       // keys matched between two checks of the context
	diskScanBytes  = 1 << 20 // bytes of values on a page
	diskSweepKeys  = 512     // expired keys that are removed at once
	diskSweepPause = 2 * time.Millisecond
)

// diskStore is the durable backend. It computes the outcomes of operations; package diskstore makes
// that durable.
type diskStore struct {
	opts    options
	disk    *diskstore.Store
	now     func() time.Time // readings that the file can hold
	sweep   sweeper
	expired atomic.Int64
}

// openDisk opens the file at loc, and creates it if there is none. It calls claim before it
// locks a file.
func openDisk(ctx context.Context, loc access.Location, opts options, claim func(os.FileInfo) error) (*diskStore, error) {
	now := diskstore.Clock(opts.clock)
	disk, err := diskstore.Open(ctx, loc, diskstore.Options{
		Options: boltfile.Options{
			MaxBytes: opts.maxFileBytes, MaxValue: int64(opts.maxValueBytes), LockTimeout: opts.lockTimeout, Now: now, Logger: opts.logger,
			ReadOnly: opts.readOnly, Hook: opts.diskHook, Claim: claim,
		},
		Interval: opts.mode.interval, LogBytes: opts.logBytes, LargeLogBytes: largeLogOf(opts.logBytes), Parts: opts.diskParts,
	})
	if err != nil {
		return nil, err
	}
	s := &diskStore{opts: opts, disk: disk, now: now}
	if !disk.File().ReadOnly() {
		s.sweep = sweeper{interval: opts.sweepInterval, pause: diskSweepPause, jumps: true, step: s.sweepStep, failed: s.sweepFailed}
		s.sweep.expect(0) // the file may hold keys that expired while it was closed
	}
	return s, nil
}

// largeLogBytes is the size of the log of a large file if the host has not chosen one.
const largeLogBytes = 32 << 20

func largeLogOf(logBytes int64) int64 {
	if logBytes == DefaultLogBytes {
		return largeLogBytes
	}
	return logBytes
}

// HoldsFile implements FileHolder.
func (s *diskStore) HoldsFile(info os.FileInfo) bool { return s.disk.Is(info) }

// liveEntry returns the entry of a state that is live at that time, else ErrNotFound.
func liveEntry(key string, s boltfile.State, now time.Time) (Entry, error) {
	value, left := liveAt(now, keyState{Value{s.Value}, s.Deadline})
	if !s.Exists || left < 0 {
		return Entry{}, ErrNotFound
	}
	return Entry{key, value, left}, nil
}

// liveAt returns the value of an entry and its time to live, less than 0 if it has expired.
func liveAt(now time.Time, e keyState) (Value, time.Duration) {
	if e.deadline == 0 {
		return e.value, 0
	}
	if left := time.Duration(e.deadline - now.UnixNano()); left > 0 {
		return e.value, left
	}
	return Value{}, -1
}

func (s *diskStore) Load(_ context.Context, key string, need Need) (Entry, error) {
	now := s.now()
	state, err := s.disk.Load(now, key, need&NeedValue != 0)
	if err != nil {
		return Entry{}, err
	}
	return liveEntry(key, state, now)
}

// LoadMany counts the bytes that it copies, so that it fails before large values take the
// memory.
func (s *diskStore) LoadMany(ctx context.Context, keys []string, need Need) ([]Entry, error) {
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

func (s *diskStore) Apply(ctx context.Context, op Op) (Result, error) {
	changes, value := []diskstore.Change{{Key: op.Key}}, op.readsValue()
	var result Result
	err := s.disk.Write(ctx, func(p *diskstore.Plan) (err error) {
		if err = p.Read(changes, value, nil); err != nil {
			return err
		}
		if result, err = op.change(&changes[0], p.Now); err != nil {
			return err
		}
		if err = p.Make(changes); err != nil {
			return err
		}
		return s.opts.admitKeys(p.Growth(), p.Live)
	})
	if err != nil {
		return Result{}, err
	}
	if op.TTL != 0 {
		s.sweep.expect(op.TTL)
	}
	return result, nil
}

func (s *diskStore) ApplyMany(ctx context.Context, ops []Op) ([]Result, error) {
	results := make([]Result, len(ops))
	changes, byKey := changesOf(ops) // not in the plan: others wait while it is made
	values := slices.ContainsFunc(ops, func(op Op) bool { return op.readsValue() })
	err := s.disk.WriteMany(ctx, len(changes), func(p *diskstore.Plan) (err error) {
		held := newBudget(ctx, s.opts.maxOperationBytes)
		take := held.take
		if !values || len(ops) == 1 {
			take = nil
		}
		if err := p.Read(changes, values, take); err != nil {
			return err
		}
		for i := range ops {
			if results[i], err = ops[i].change(byKey[ops[i].Key], p.Now); err != nil {
				return err
			}
		}
		if err = p.Make(changes); err != nil {
			return err
		}
		return s.opts.admitKeys(p.Growth(), p.Live)
	})
	if err != nil {
		return nil, err
	}
	for i := range ops {
		if ops[i].TTL != 0 {
			s.sweep.expect(ops[i].TTL)
		}
	}
	return results, nil
}

// changesOf returns a change for each key of ops, in the order of the keys, which is that
// of the file and the memtable.
func changesOf(ops []Op) (changes []diskstore.Change, byKey map[string]*diskstore.Change) {
	changes, byKey = make([]diskstore.Change, 0, len(ops)), make(map[string]*diskstore.Change, len(ops))
	for i := range ops {
		if _, ok := byKey[ops[i].Key]; !ok {
			byKey[ops[i].Key] = nil
			changes = append(changes, diskstore.Change{Key: ops[i].Key})
		}
	}
	slices.SortFunc(changes, func(a, b diskstore.Change) int { return strings.Compare(a.Key, b.Key) })
	for i := range changes {
		byKey[changes[i].Key] = &changes[i]
	}
	return changes, byKey
}

// unread replaces the value of an entry if no operation reads it.
var unread = Value{"unread"}

// change makes what op does part of the change of its key.
func (op *Op) change(c *diskstore.Change, now int64) (Result, error) {
	repairs := false
	if c.Damage != nil {
		if op.Kind != OpSet && (op.Kind != OpDelete || op.Must) {
			return Result{}, c.Damage
		}
		repairs, c.Damage = true, nil
	}
	was := keyState{Value{c.Next.Value}, c.Next.Deadline}
	if c.Next.Exists && was.value.IsZero() {
		was.value = unread
	}
	next, result, changed, err := op.transition(was, now)
	if changed && err == nil {
		c.Next = boltfile.State{Exists: !next.value.IsZero(), Deadline: next.deadline, Value: next.value.data}
	}
	c.Changed = c.Changed || changed || repairs
	return result, err
}

func (s *diskStore) Scan(ctx context.Context, r Range) (Page, error) {
	return scanThenMatch(ctx, r, s.scan)
}

// scanThenMatch reads a page without a pattern, and then matches its keys. So a hostile
// pattern takes its time outside of the transaction, which a writer that makes the file
// larger would wait for, and outside of every lock.
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
		if i%diskMatchKeys == 0 && ctx.Err() != nil {
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
func (s *diskStore) scan(r Range) (Page, error) {
	var page Page
	keys := diskstore.Range{Reverse: r.Reverse}
	keys.From, keys.To = r.Bounds()
	now := s.now()
	err := s.disk.View(now, func(v *diskstore.View) error {
		page.Epoch = v.Epoch()
		size, looked := 0, 0
		return v.Scan(keys, r.Need&NeedValue != 0, func(key string, value []byte, deadline int64, exists bool) (bool, error) {
			if looked == diskScanKeys || size > diskScanBytes || r.Limit > 0 && len(page.Entries) == r.Limit {
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

func (s *diskStore) Len(context.Context) (int, error) {
	n, err := s.disk.Len(s.now())
	return int(n), err
}

func (s *diskStore) Clear(ctx context.Context) error {
	return s.disk.Write(ctx, func(p *diskstore.Plan) error { p.Clear(); return nil })
}

// Close writes everything to the file, and waits for the reads.
func (s *diskStore) Close() error {
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

// Watch implements Watcher.
func (s *diskStore) Watch(_ context.Context, changed func(key string, live bool)) (stop func(), err error) {
	return s.disk.Watch(changed), nil
}

// Stats implements StatsReporter.
func (s *diskStore) Stats(context.Context) (Stats, error) {
	bytes, buffered := s.disk.Size()
	return Stats{Commits: s.disk.Commits(), Expired: s.expired.Load(), Bytes: bytes, Buffered: buffered}, nil
}

// Backup implements Backuper.
func (s *diskStore) Backup(ctx context.Context, w io.Writer) error { return s.disk.Backup(ctx, w) }

// backupFile implements Handle.BackupFile.
func (s *diskStore) backupFile(ctx context.Context, loc access.Location) error {
	return s.disk.BackupFile(ctx, loc)
}

// Compact implements Compacter.
func (s *diskStore) Compact(ctx context.Context) error { return s.disk.Compact(ctx) }

// sweepFailed reports a panic of the sweeper, a bug. Expired keys stay in the file then,
// invisible as ever.
func (s *diskStore) sweepFailed(p any) {
	s.opts.logger.Error("kv: expired keys were not removed", "path", s.disk.File().Path(),
		"error", kverr.Panicked("the sweeper", p), "stack", string(debug.Stack()))
}

// sweepStep removes some expired keys as any other call would, if there are any.
func (s *diskStore) sweepStep() time.Duration {
	removed, next, err := s.disk.RemoveExpired(context.Background(), s.now(), diskSweepKeys)
	s.expired.Add(removed)
	if err != nil {
		if !errors.Is(err, ErrClosed) {
			s.opts.logger.Warn("kv: expired keys were not removed", "path", s.disk.File().Path(), "error", err)
		}
		return -1 // the next key with a deadline starts the sweeper again
	}
	return next
}
