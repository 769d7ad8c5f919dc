package diskstore

import (
	"errors"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Limits of how many keys one transaction of squeeze changes.
const (
	squeezeFirst = 64
	squeezeMost  = 4096
)

// squeeze writes a layer to a file that has no room for it in one transaction: the
// pages of what a transaction removes or replaces are free only after it. So the
// clear comes first, then the removals, then the puts, in transactions that are as
// small as they have to be. The log position does not advance meanwhile: after a
// crash replay repeats all of them. For that the log has to be durable up to the
// layer's end.
//
// What is in the file already is marked in the layer, so that the next try goes on
// from there. A file in this state must not be copied without its log or the layer.
func (d *Store) squeeze(l *layer) error {
	if l.cleared && !l.emptied {
		if err := d.empty(l); err != nil {
			return err
		}
	}
	gone, puts := l.unfiled()
	for len(gone)+len(puts) > 0 {
		left := len(gone) + len(puts)
		var err, err2 error
		if gone, err = d.squeezeKeys(l, gone); err != nil && !isFull(err) {
			return err
		}
		if puts, err2 = d.squeezeKeys(l, puts); err2 != nil && !isFull(err2) {
			return err2
		}
		if len(gone)+len(puts) == left {
			return errors.Join(err, err2)
		}
	}
	return nil
}

func isFull(err error) bool { return errors.Is(boltfile.DiskError(err), kverr.Full) }

// squeezeKeys writes keys of a layer, and returns those for which there is no room,
// with the error of the last one.
func (d *Store) squeezeKeys(l *layer, keys []string) (left []string, full error) {
	for n := squeezeFirst; len(keys) > 0; {
		n = min(n, len(keys))
		err := d.file.Publish(func(t *boltfile.Tx) error {
			for _, key := range keys[:n] {
				e, _ := l.entries.Get(key)
				if err := t.SetState(key, e.State); err != nil {
					return err
				}
			}
			return nil
		}, func(show func()) {
			// The file and the buffer change together for whoever counts keys.
			d.mu.Lock()
			defer d.mu.Unlock()
			show()
			for _, key := range keys[:n] {
				l.file(key)
			}
		})
		switch {
		case err == nil:
			keys, n = keys[n:], min(2*n, squeezeMost)
		case err == boltfile.ErrUnchanged:
			d.mu.Lock()
			for _, key := range keys[:n] {
				l.file(key)
			}
			d.mu.Unlock()
			keys = keys[n:]
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

// empty clears the file of a layer that is cleared. The list of free pages needs
// adjacent ones, which a large file may lack: then some keys are removed first.
func (d *Store) empty(l *layer) error {
	clear := func() error {
		return d.file.Publish((*boltfile.Tx).Clear, func(show func()) {
			d.mu.Lock()
			defer d.mu.Unlock()
			show()
			l.emptied = true
		})
	}
	err := clear()
	for n := squeezeFirst; n > 0 && isFull(err); {
		removed := d.file.Update(func(t *boltfile.Tx) error { return removeSome(t, n) })
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
func removeSome(t *boltfile.Tx, n int) error {
	var keys []string
	err := t.Scan("", func(key, _ []byte) (bool, error) {
		keys = append(keys, string(key))
		return len(keys) < n, nil
	})
	for _, key := range keys {
		if err == nil {
			err = t.SetState(key, boltfile.State{})
		}
	}
	return err
}
