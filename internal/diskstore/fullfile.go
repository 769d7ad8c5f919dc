package diskstore

import (
	"errors"
	"math"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Limits of how many keys one transaction of squeeze changes.
const (
	squeezeFirst = 64
	squeezeMost  = 4096
)

// squeeze writes a memtable to a file that has no room for it in one transaction. bbolt
// reuses freed pages only after the freeing transaction commits. So the clear comes first,
// then the deletions, then the puts, in transactions that are as small as they have to be.
// The checkpoint LSN does not advance meanwhile: after a crash replay repeats all of them.
// So the log must be durable up to the end of the memtable.
//
// If not even one key can be written, the file is rewritten: the pages are half empty that
// many puts have split, and free pages are not adjacent. A rewritten file has as many
// adjacent pages as its reserve, which are enough for one key: see boltfile.File.Fits.
//
// The entries that the file has are marked, and the next try continues from there. A file
// in this state must not be copied without its log or the memtable.
func (w fileWriter) squeeze(t *memtable) error {
	if t.cleared && !t.emptied {
		err := w.empty(t)
		if isFull(err) && w.defragment(false) {
			err = w.empty(t)
		}
		if err != nil {
			return err
		}
	}
	tombstones, puts := t.unwritten()
	rewritten := false
	for len(tombstones)+len(puts) > 0 {
		left := len(tombstones) + len(puts)
		var err, err2 error
		if tombstones, err = w.squeezeKeys(t, tombstones); err != nil && !isFull(err) {
			return err
		}
		if puts, err2 = w.squeezeKeys(t, puts); err2 != nil && !isFull(err2) {
			return err2
		}
		switch {
		case len(tombstones)+len(puts) < left:
			rewritten = false
		case rewritten || !w.defragment(false):
			return errors.Join(err, err2)
		default:
			rewritten = true
		}
	}
	return nil
}

// defragment rewrites the file because a transaction found no adjacent free pages, and
// reports whether the caller can try again. If the file cannot be rewritten, as on a full
// disk, the transaction's error is the one to return. For puts it is rewritten only if
// enough has changed since it last was.
func (w fileWriter) defragment(puts bool) bool {
	changed := int64(math.MaxInt64)
	if puts {
		changed = w.s.checkpoints.changed.Load()
	}
	done, err := w.s.file.Defragment(changed)
	if err != nil {
		w.s.opts.Logger.Warn("kv: the free pages of a full file could not be joined", "path", w.s.file.Path(), "error", err)
	}
	if done {
		w.s.commits.Add(1)
	}
	w.s.checkpoints.changed.Store(0)
	return done
}

func isFull(err error) bool { return errors.Is(boltfile.DiskError(err), kverr.Full) }

// squeezeKeys writes entries of a memtable, and returns the keys for which there is no
// room, with the error of the last one.
func (w fileWriter) squeezeKeys(t *memtable, keys []string) (left []string, full error) {
	for n := squeezeFirst; len(keys) > 0; {
		n = min(n, len(keys))
		marked := func(show func()) {
			w.s.visible.locked(func() {
				show()
				for _, key := range keys[:n] {
					t.wrote(key)
				}
			})
		}
		err := w.s.file.Publish(func(tx *boltfile.Tx) error {
			for _, key := range keys[:n] {
				e, _ := t.entries.Get(key)
				if err := tx.SetState(key, e.State); err != nil {
					return err
				}
			}
			return nil
		}, marked)
		switch {
		case err == boltfile.ErrUnchanged:
			marked(func() {})
			keys = keys[n:]
		case err == nil:
			keys, n = keys[n:], min(2*n, squeezeMost)
		case !isFull(err):
			return append(left, keys...), err
		case n > 1:
			n = max(1, n/4)
		default:
			if left, full = append(left, keys[0]), err; len(left) > squeezeFirst {
				return append(left, keys[1:]...), full
			}
			keys = keys[1:]
		}
	}
	return left, full
}

// empty clears the file for a memtable that is cleared. The freelist needs adjacent pages,
// which a large file can lack: then some keys are removed first.
func (w fileWriter) empty(t *memtable) error {
	clear := func() error {
		return w.s.file.Publish((*boltfile.Tx).Clear, func(show func()) {
			w.s.visible.locked(func() {
				show()
				t.emptied = true
			})
		})
	}
	err := clear()
	for n := squeezeFirst; n > 0 && isFull(err); {
		removed := w.s.file.Update(func(tx *boltfile.Tx) error { return removeSome(tx, n) })
		switch {
		case removed == nil:
			n *= 2
			err = clear()
		case removed == boltfile.ErrUnchanged: // no key is left whose pages the clear could use
			return err
		case isFull(removed):
			n /= 4
		default:
			return removed
		}
	}
	return err
}

// removeSome removes the first n keys.
func removeSome(tx *boltfile.Tx, n int) error {
	var keys []string
	err := tx.Scan("", func(key, _ []byte) (bool, error) {
		keys = append(keys, string(key))
		return len(keys) < n, nil
	})
	for _, key := range keys {
		if err == nil {
			err = tx.SetState(key, boltfile.State{})
		}
	}
	return err
}
