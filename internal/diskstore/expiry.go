package diskstore

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
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
func (d *Store) Due(now time.Time, limit int) (due Due, err error) {
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
		if v.t.Log() == nil || v.t.Log().Pos != d.sweptFrom {
			d.sweptTo = nil
		}
		if v.t.Log() != nil {
			d.sweptFrom = v.t.Log().Pos
		}
		looked := 0
		return v.t.ScanDeadlines(d.sweptTo, func(e boltfile.IndexEntry) (bool, error) {
			if e.Deadline > v.t.Now {
				return take(string(e.Key), e.Deadline, v.t.Now), nil
			}
			if looked++; looked > dueLook || len(due.stray) == limit {
				due.Next = 0
				return false, nil
			}
			if _, hidden := d.buffer.get(string(e.Key)); hidden {
				d.sweptTo = bytes.Clone(e.Place)
				return true, nil
			}
			switch v.t.Indexed(e.Key, e.Deadline) {
			case boltfile.Correct:
				return take(string(e.Key), e.Deadline, v.t.Now), nil
			case boltfile.Stray:
				due.stray = append(due.stray, bytes.Clone(e.Place))
			}
			d.sweptTo = bytes.Clone(e.Place)
			return true, nil
		})
	})
	if len(due.Keys) == limit {
		due.Next = 0
	}
	return due, err
}

// Stray reports whether the index of deadlines holds entries that lead to no key. No
// store writes such entries.
func (d *Due) Stray() bool { return len(d.stray) > 0 }

// DropStray removes from the file's index what Due found to lead to no key: an entry
// counts as an expired key for as long as it is there.
func (d *Store) DropStray(ctx context.Context, due Due) error {
	if err := d.lock(ctx); err != nil {
		return notDone(err)
	}
	defer d.unlock()
	if d.closed.Load() {
		return nil
	}
	err := d.file.Update(func(t *boltfile.Tx) error { return t.DropStray(due.stray) })
	if err == boltfile.ErrUnchanged {
		return nil
	}
	return boltfile.DiskError(err)
}
