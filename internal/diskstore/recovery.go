package diskstore

import (
	"context"
	"errors"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// A log of many small entries takes many times its size in memory, in the buffer and
// in the transaction of a checkpoint. So both are limited in bytes, not in entries, by
// a small multiple of the log: a replay that reaches the limit writes to the file what
// it has gathered, and goes on.

// The limit of the buffer is bufferShare times the size of the log, over bufferPart.
const (
	bufferShare = 5
	bufferPart  = 2
)

// ReplayBytes, if not 0, is the limit of all replays. Tests change it.
var ReplayBytes int64

func bufferLimit(logBytes int64) int64 {
	if ReplayBytes > 0 {
		return ReplayBytes
	}
	return logBytes / bufferPart * bufferShare
}

// replay brings what a log holds into the buffer and, beyond its limit, into the file.
// What the last record of a key says counts.
func (d *Store) replay(ctx context.Context, f *logFile, ref *boltfile.LogRef) error {
	end, err := wal.Check(ctx, f, f.size, ref.ID, ref.Pos, func(op wal.Op) error {
		if op.Kind == wal.Clear {
			return nil
		}
		if err := (boltfile.State{Exists: op.Kind == wal.Put, Deadline: op.Deadline, Value: op.Value}).Check(op.Key); err != nil {
			return kverr.Errorf(kverr.Corrupt, "a record stores what no store holds (%w); restore the store from a backup", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.visible, d.filed = end, ref.Pos
	r := replayer{d: d, ref: *ref, limit: bufferLimit(f.size)}
	r.next = r.limit
	if d.file.ReadOnly() {
		d.logFile.Store(f)
		err = boltfile.UnlessReadOnly(d.file.Dir().SyncLog(f.File))
	} else {
		// Before anything of it is in the file: a power cut must not leave a part of
		// a record there, without the log that completes it.
		err = d.resume(f, ref, end)
	}
	if err != nil {
		return err
	}
	if err := wal.Read(ctx, f, f.size, ref.ID, ref.Pos, end, r.add); err != nil {
		return err
	}
	return r.finish()
}

// resume makes the log that was checked the one that takes records.
func (d *Store) resume(f *logFile, ref *boltfile.LogRef, end wal.Pos) error {
	if access.Links(f.info) == 1 { // it may have been made by a process of another user
		if err := d.file.KeepLog(f.File); err != nil {
			return access.DiskError(err)
		}
	}
	log, err := wal.Resume(f, f.size, ref.ID, ref.Pos, end, d.logOptions(f))
	if err == nil {
		err = d.file.Dir().Sync()
	}
	if err != nil {
		return access.DiskError(err)
	}
	d.adopt(f, log)
	return nil
}

// replayer gathers the operations of a log. Nothing else uses the store meanwhile.
type replayer struct {
	d     *Store
	ref   boltfile.LogRef // the file has all that is before it
	layer layer           // of entries that know nothing of those below them
	limit int64           // of the layer's bytes
	next  int64           // the bytes with which the layer is to be written
}

func (r *replayer) add(at wal.Pos, op wal.Op) error {
	l := &r.layer
	if op.Kind == wal.Clear {
		l.clear()
		r.next = r.limit
		r.d.epoch++
		return nil
	}
	s := boltfile.State{Exists: op.Kind == wal.Put, Deadline: op.Deadline, Value: op.Value}
	if old, replaced := l.entries.Set(op.Key, entry{State: s}); replaced {
		l.bytes -= int64(len(op.Key)+len(old.Value)) + boltfile.EntryOverhead
	}
	l.bytes += int64(len(op.Key)+len(op.Value)) + boltfile.EntryOverhead
	if l.bytes < r.next {
		return nil
	}
	return r.spill(at)
}

// spill writes the layer to the file, which from then on names the position of the
// record that the replay has come to. That a part of this record is in the file does
// no harm: it is replayed as a whole after a crash.
func (r *replayer) spill(at wal.Pos) error {
	err := errSpill
	if !r.d.file.ReadOnly() {
		err = r.write(boltfile.LogRef{ID: r.ref.ID, Pos: at})
	}
	switch {
	case err == nil:
		r.ref.Pos = at
		r.d.filed = at
		r.d.log.Release(at)
		r.layer, r.next = layer{}, r.limit
		return nil
	case r.layer.bytes < 2*r.limit && (err == errSpill || errors.Is(err, kverr.Full)):
		r.next = r.layer.bytes + r.limit/4 // a full file takes deletes, for which it has to be opened
		return nil
	}
	return err
}

var errSpill = kverr.Errorf(kverr.TooLarge, "the log holds more entries than a store that was opened with ReadOnly keeps in memory; open it once without, which brings them into the file")

// write writes the layer in transactions of limited size. The last one names ref.
func (r *replayer) write(ref boltfile.LogRef) error {
	err := r.d.writeLayer(&r.layer, true, func(t *boltfile.Tx) error { return t.SetLog(&ref) }, func(show func()) { show() })
	r.layer.part, r.layer.emptied = part{}, false // what failed is written again
	return boltfile.DiskError(err)
}

// finish makes of what is left the newest layer.
func (r *replayer) finish() error {
	to := r.d.buffer.newest
	if r.layer.cleared {
		to.clear()
	}
	return r.d.file.View(func(t *boltfile.Tx) error {
		for {
			key, e, ok := r.layer.entries.PopMin()
			if !ok {
				return nil
			}
			var was boltfile.State
			if !to.cleared {
				_, was.Deadline, was.Exists, _ = t.Entry(key, false)
			}
			to.append(key, was, e.State)
		}
	})
}
