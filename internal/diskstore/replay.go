package diskstore

import (
	"context"
	"errors"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// A log of many small entries takes many times its size in memory, in the memtable and in
// the transaction of a checkpoint. So the memtable is limited in bytes, to a small multiple
// of the log: a replay that reaches the limit writes to the file what it has read so far.

// replay reads the records of a log into the memtable and, beyond its limit, into the file.
// The last record of a key wins.
func (w fileWriter) replay(ctx context.Context, f *logFile, ref *boltfile.LogRef) error {
	s, size := w.s, f.size // with the segments
	end, err := wal.Check(ctx, f, size, ref.ID, ref.Pos, func(op wal.Op) error {
		if op.Kind == wal.Clear {
			return nil
		}
		if err := stateOf(op).Check(op.Key); err != nil {
			return kverr.Errorf(kverr.Corrupt, "a log record contains an invalid change (%w); restore the store from a backup", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.visible.lsn, s.visible.checkpoint = end, ref.Pos
	bytes, err := wal.RingFileBytes(f)
	if err != nil {
		return err
	}
	r := replayer{w: w, ref: *ref, limit: s.opts.Parts.memtable(bytes)}
	r.next, r.most = r.limit, 2*r.limit
	if size > bytes {
		r.most += maxSegmentMemory
	}
	if s.file.ReadOnly() {
		s.logFile.Store(f)
		err = boltfile.UnlessReadOnly(s.file.Dir().SyncLog(f.File))
	} else {
		// Before the file gets any of the records: a power cut must not leave a part of
		// one there, without the log that completes it.
		err = w.resumeLog(f, ref, end)
	}
	if err != nil {
		return err
	}
	if err := wal.Read(ctx, f, size, ref.ID, ref.Pos, end, r.add); err != nil {
		return err
	}
	return r.finish()
}

func stateOf(op wal.Op) boltfile.State {
	return boltfile.State{Exists: op.Kind == wal.Put, Deadline: op.Deadline, Value: op.Value}
}

// replayer collects the operations of a log. Nothing else uses the store meanwhile.
type replayer struct {
	w     fileWriter
	ref   boltfile.LogRef // the file has the records before it
	table memtable        // whose entries do not know the states below
	limit int64           // of the table's bytes
	most  int64           // bytes that the table gets if the file cannot be written
	next  int64           // the bytes at which the table is to be written
}

func (r *replayer) add(at wal.LSN, op wal.Op) error {
	t := &r.table
	if op.Kind == wal.Clear {
		t.clear()
		r.next = r.limit
		r.w.s.visible.epoch++
		return nil
	}
	if old, replaced := t.entries.Set(op.Key, entry{State: stateOf(op)}); replaced {
		t.bytes -= entryBytes(op.Key, old.Value)
	}
	t.bytes += entryBytes(op.Key, op.Value)
	if t.bytes < r.next {
		return nil
	}
	return r.spill(at)
}

// spill writes the table to the file, which from then on names the LSN of the record that
// the replay has come to. It does no harm that a part of this record is in the file: after
// a crash all of it is replayed.
func (r *replayer) spill(at wal.LSN) error {
	s, err := r.w.s, errSpill
	if !s.file.ReadOnly() {
		ref := boltfile.LogRef{ID: r.ref.ID, Pos: at}
		err = boltfile.DiskError(r.w.writeMemtable(&r.table, true, func(tx *boltfile.Tx) error { return tx.SetLog(&ref) }))
		r.table.part, r.table.emptied = part{}, false // after a failure all of it is written again
	}
	switch {
	case err == nil:
		r.ref.Pos = at
		s.visible.checkpoint = at
		s.logFile.Load().log.Release(at)
		r.table, r.next = memtable{}, r.limit
		return nil
	case r.table.bytes < r.most && (err == errSpill || errors.Is(err, kverr.Full)):
		r.next = r.table.bytes + r.limit/4 // a full file accepts deletions, for which it has to be opened
		return nil
	}
	return err
}

var errSpill = kverr.Errorf(kverr.TooLarge, "the log has more entries than a store opened with ReadOnly keeps in memory; open it once without ReadOnly, which writes them to the file")

// finish makes the rest the mutable memtable.
func (r *replayer) finish() error {
	to := r.w.s.visible.tables.mutable
	if r.table.cleared {
		to.clear()
	}
	return r.w.s.file.View(func(tx *boltfile.Tx) error {
		for {
			key, e, ok := r.table.entries.PopMin()
			if !ok {
				return nil
			}
			var was boltfile.State
			if !to.cleared {
				_, was.Deadline, was.Exists, _ = tx.Entry(key, false)
			}
			to.append(key, was, e.State)
		}
	})
}
