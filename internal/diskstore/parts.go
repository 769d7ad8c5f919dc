package diskstore

import (
	"cmp"
	"math"
	"slices"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
)

// A checkpoint of a large file changes leaf pages all over it, each of which takes several
// times its size in bbolt's memory. So a checkpoint takes several transactions if one would
// hold too much. The checkpoint LSN does not advance before the last one: after a crash
// replay repeats all of them. A file in this state must not be copied without its log or
// the memtable.
//
// What a transaction has written leaves the memtable at once, so that writers which wait for
// room wait for one transaction, and not for the checkpoint.

// defaultPartBytes is the limit of the memory that one transaction of a checkpoint or a
// replay takes: of the leaf pages that it changes and of what it stores.
const defaultPartBytes = 16 << 20

// Parts limits how much a store writes to its file at once. Tests set it.
type Parts struct {
	Transaction int64 // bytes of memory of one transaction of a checkpoint or a replay; 0: defaultPartBytes
	Memtable    int64 // bytes of the memtables, also in a replay; 0: by the size of the log
	ApartKeys   int   // that a call has at least which is planned apart; 0: defaultApartKeys
	TableBytes  int64 // that the changes of such a call take at least to be a memtable; 0: defaultTableBytes
	Segment     int64 // bytes of the record of a call that is planned apart, from which on it has a segment; 0: half the log
	LargeLogs   bool  // the logs of large files are larger, whatever Options.LargeLogBytes is
}

func (p Parts) transaction() int64 { return cmp.Or(p.Transaction, defaultPartBytes) }

// memtable is the limit for a log of some size.
func (p Parts) memtable(logBytes int64) int64 { return cmp.Or(p.Memtable, logBytes/2*5) }

// part is the part of a memtable that the file has: the keys up to one.
type part struct {
	to     string
	pieces []piece // in the order of their keys; the memtable still has them, and counts them
}

// piece counts some adjacent entries.
type piece struct {
	entries     int
	own, hidden partTally
}

// pieceEntries is how many entries at most leave a memtable while reads wait.
const pieceEntries = 256

func (p *piece) add(e entry) {
	p.entries++
	p.own.add(e.State)
	p.hidden.add(e.below.state())
}

func (p *piece) sort() {
	p.own.sort()
	p.hidden.sort()
}

// forget removes a piece that the file has, and reports whether there are more.
func (t *memtable) forget() (more bool) {
	if len(t.part.pieces) == 0 {
		return false
	}
	for range t.part.pieces[0].entries {
		key, e, _ := t.entries.PopMin()
		t.uncount(key, e.State)
		t.hidden.remove(key, e.below.state())
	}
	t.part.pieces = t.part.pieces[1:]
	return len(t.part.pieces) > 0
}

// freePart removes the part that the file has from the immutable memtable.
func (v *visible) freePart(t *memtable) {
	for more := true; more; {
		v.locked(func() {
			more = t == v.tables.oldest() && t.forget()
			v.forgotten++
		})
	}
}

// writeMemtable writes a memtable, which can be nil, to the file, without the part that
// the file has. finish belongs to the last transaction. If inParts is false, there is only
// one.
func (w fileWriter) writeMemtable(t *memtable, inParts bool, finish func(*boltfile.Tx) error) error {
	v, limit := &w.s.visible, int64(math.MaxInt64)
	if inParts {
		limit = w.s.opts.Parts.transaction()
	}
	for {
		var p part
		more := false
		err := w.s.file.Publish(func(tx *boltfile.Tx) (err error) { // more than once if the file has to grow
			if t != nil {
				p, more, err = t.writePart(tx, limit)
			}
			switch {
			case err != nil:
				return err
			case more:
				tx.Touch()
				return nil
			}
			return finish(tx)
		}, func(show func()) {
			// A caller that counts keys sees the file and the memtables change together.
			v.locked(func() {
				show()
				switch {
				case more:
					t.part, t.emptied = p, t.cleared
				case t != nil && t == v.tables.oldest(): // a replay writes one that is not
					v.tables.immutable, v.checkpoint = slices.Delete(v.tables.immutable, 0, 1), t.end
				}
			})
		})
		if err != nil || !more {
			return err
		}
		v.freePart(t)
		w.s.checkpoints.stepped(nil)
	}
}

// writePart writes the entries that the file does not have, until the transaction takes
// more memory than limit. It returns the part that the file has then, and whether there is
// more. A memtable that hides the whole file keeps its entries, and so it has no pieces.
func (t *memtable) writePart(tx *boltfile.Tx, limit int64) (p part, more bool, err error) {
	if t.cleared && !t.emptied {
		if err := tx.Clear(); err != nil {
			return p, false, err
		}
	}
	p = part{t.part.to, slices.Clone(t.part.pieces)}
	var now piece
	end := func() {
		if now.entries > 0 && !t.cleared {
			now.sort()
			p.pieces = append(p.pieces, now)
		}
		now = piece{}
	}
	t.entries.Ascend(p.to, func(key string, e entry) bool {
		switch {
		case key == p.to:
			return true // the last one of the part before
		case tx.Memory() > limit:
			more = true
			return false
		case !e.below.inFile:
			err = tx.SetState(key, e.State)
		}
		p.to = key
		if now.add(e); now.entries == pieceEntries {
			end()
		}
		return err == nil
	})
	end()
	return p, more, err
}

// write writes all entries, including entries that the file already has.
func (t *memtable) write(tx *boltfile.Tx) error {
	if t.cleared {
		if err := tx.Clear(); err != nil {
			return err
		}
	}
	var err error
	t.entries.Scan(func(key string, e entry) bool {
		err = tx.SetState(key, e.State)
		return err == nil
	})
	return err
}

// settle turns the part that the file has into marks of its entries, because the
// checkpoint that writes the rest has failed: the next one can write another memtable,
// into which this one was merged.
func (t *memtable) settle() {
	if t.part.to == "" {
		return
	}
	var keys []string
	t.entries.Scan(func(key string, e entry) bool {
		if key <= t.part.to && !e.below.inFile {
			keys = append(keys, key)
		}
		return key < t.part.to
	})
	for _, key := range keys {
		t.wrote(key)
	}
	t.part = part{}
}
