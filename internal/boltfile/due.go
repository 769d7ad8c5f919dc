package boltfile

import (
	"bytes"
	"context"
	"strings"
	"time"
)

// dueLook is how many entries of the file's index one call of Due looks at.
const dueLook = 4096

// Due is what a look for expired keys found.
type Due struct {
	Keys []string      // that have expired
	Next time.Duration // until the next deadline: 0 if more has expired, less than 0 if nothing will

	stray [][]byte // entries of the file's index that lead to no key
}

// Due returns up to limit keys that have expired. What the buffer hides is still in
// the file's index, and so are keys whose records are damaged, which are for their
// readers to hear about; so each search goes on where the last one ended, until a
// checkpoint. One goroutine calls it at a time.
func (d *Disk) Due(now time.Time, limit int) (due Due, err error) {
	due.Next = -1
	seen := map[string]struct{}{}
	take := func(key string, deadline, at int64) (more bool) {
		if deadline > at {
			if in := time.Duration(deadline - at); due.Next < 0 || in < due.Next {
				due.Next = in
			}
			return false
		}
		if len(due.Keys) == limit {
			due.Next = 0
			return false
		}
		if _, ok := seen[key]; !ok {
			seen[key] = struct{}{}
			due.Keys = append(due.Keys, strings.Clone(key))
		}
		return true
	}
	err = d.View(now, func(v *View) error {
		for l := range d.buffer.each {
			l.own.due(func(key string, deadline int64) bool {
				if s, _ := d.buffer.get(key); s.Exists && s.Deadline == deadline {
					return take(key, deadline, v.t.Now)
				}
				return true
			})
			if l.cleared {
				return nil
			}
		}
		if v.t.snap.log == nil || v.t.snap.log.pos != d.sweptFrom {
			d.sweptTo = nil
		}
		if v.t.snap.log != nil {
			d.sweptFrom = v.t.snap.log.pos
		}
		looked := 0
		return v.t.snap.expiryTree().scan(d.sweptTo, func(k, value []byte) (bool, error) {
			deadline, key := splitExpiryEntry(k, value)
			if deadline > v.t.Now {
				return take(string(key), deadline, v.t.Now), nil
			}
			if looked++; looked > dueLook || len(due.stray) == limit {
				due.Next = 0
				return false, nil
			}
			if _, hidden := d.buffer.get(string(key)); hidden {
				d.sweptTo = bytes.Clone(k)
				return true, nil
			}
			switch v.t.indexed(key, deadline) {
			case rightly:
				return take(string(key), deadline, v.t.Now), nil
			case wrongly:
				due.stray = append(due.stray, bytes.Clone(k))
			}
			d.sweptTo = bytes.Clone(k)
			return true, nil
		})
	})
	if len(due.Keys) == limit {
		due.Next = 0
	}
	return due, err
}

// indexing says whether an entry of the index of deadlines is right.
type indexing int

const (
	unclear indexing = iota // the record that it leads to can't be read
	rightly
	wrongly // there is no such key, or it has another deadline
)

func (t *Tx) indexed(key []byte, deadline int64) indexing {
	if len(key) == 0 {
		return wrongly
	}
	_, has, exists, err := t.Entry(string(key), false)
	switch {
	case err != nil:
		return unclear
	case exists && has == deadline:
		return rightly
	}
	return wrongly
}

// Stray reports whether the index of deadlines holds entries that lead to no key. No
// store writes such entries.
func (d *Due) Stray() bool { return len(d.stray) > 0 }

// DropStray removes from the file's index what Due found to lead to no key: an entry
// counts as an expired key for as long as it is there.
func (d *Disk) DropStray(ctx context.Context, due Due) error {
	if err := d.lock(ctx); err != nil {
		return notDone(err)
	}
	defer d.unlock()
	if d.closed.Load() {
		return nil
	}
	err := d.file.Update(func(t *Tx) error {
		for _, k := range due.stray {
			// A short key is no entry, and its value must not be taken for its key.
			key := k[min(len(k), deadlineBytes):]
			deadline, _ := splitExpiryEntry(k, nil)
			index := t.snap.expiryTree()
			if v, err := index.get(k); err != nil {
				return err
			} else if len(v) > 0 {
				key = v
			}
			if t.indexed(key, deadline) == wrongly {
				t.dirty = true
				t.index = append(t.index, indexChange{k: k, remove: true})
			}
		}
		return nil
	})
	if err == ErrUnchanged {
		return nil
	}
	return DiskError(err)
}
