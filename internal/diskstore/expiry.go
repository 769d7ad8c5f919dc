package diskstore

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// sweepLook is how many entries of the index of deadlines one sweep looks at.
const sweepLook = 4096

// sweep is where the next sweep continues in the index of deadlines. The index still has
// the keys whose expiry the memtables hide, and those whose records are damaged, which are
// an error for their readers. So a sweep starts where the last one ended, until a checkpoint
// gives the index more keys.
type sweep struct {
	to        []byte  // place of the last entry that was visited
	from      wal.LSN // the checkpoint LSN at that time
	forgotten uint64  // visible.forgotten at that time
}

// RemoveExpired removes up to limit expired keys. It returns their number, and the time
// until the next deadline: 0 if more keys have expired, less than 0 if no key has a
// deadline. One goroutine calls it at a time.
func (s *Store) RemoveExpired(ctx context.Context, now time.Time, limit int) (removed int64, next time.Duration, err error) {
	due, err := s.due(now, limit)
	if err != nil {
		return 0, 0, err
	}
	if len(due.stray) > 0 {
		s.opts.Logger.Warn("kv: the file's index of deadlines has entries without a key; they are removed", "path", s.file.Path())
		if err := s.dropStray(ctx, due.stray); err != nil && !errors.Is(err, kverr.Closed) {
			s.opts.Logger.Warn("kv: they could not be removed", "path", s.file.Path(), "error", err)
		}
	}
	if len(due.keys) == 0 {
		return 0, due.next, nil
	}
	err = s.Write(ctx, func(p *Plan) error {
		changes := make([]Change, 0, len(due.keys))
		for _, key := range due.keys {
			was, err := p.state(key, false)
			if err != nil || !was.Exists || was.Deadline <= 0 || was.Deadline > p.Now {
				continue // it has another deadline by now, or is damaged, which its readers are told
			}
			changes = append(changes, Change{Key: key, Was: was, Changed: true})
		}
		removed = int64(len(changes))
		return p.Make(changes)
	})
	return removed, due.next, err
}

// due are the expired keys that a sweep found.
type due struct {
	keys  []string
	next  time.Duration // see RemoveExpired
	stray [][]byte      // places of entries of the index that lead to no key
}

func (s *Store) due(now time.Time, limit int) (d due, err error) {
	d.next = -1
	seen := map[string]struct{}{}
	take := func(key string, deadline, at int64) (more bool) {
		if deadline > at {
			if in := time.Duration(deadline - at); d.next < 0 || in < d.next {
				d.next = in
			}
			return false
		}
		if len(d.keys) == limit {
			d.next = 0
			return false
		}
		if _, ok := seen[key]; !ok {
			seen[key] = struct{}{}
			d.keys = append(d.keys, strings.Clone(key))
		}
		return true
	}
	err = s.View(now, func(v *View) error {
		for t := range v.visible.tables.each {
			t.own.due(func(key string, deadline int64) bool {
				if s, _ := v.visible.tables.get(key); s.Exists && s.Deadline == deadline {
					return take(key, deadline, v.tx.Now)
				}
				return true
			})
			if t.cleared {
				return nil
			}
		}
		log := v.tx.Log()
		if log == nil || log.Pos != s.sweep.from || v.visible.forgotten != s.sweep.forgotten {
			s.sweep.to = nil
		}
		s.sweep.forgotten = v.visible.forgotten
		if log != nil {
			s.sweep.from = log.Pos
		}
		looked := 0
		return v.tx.ScanDeadlines(s.sweep.to, func(e boltfile.IndexEntry) (bool, error) {
			if e.Deadline > v.tx.Now {
				return take(string(e.Key), e.Deadline, v.tx.Now), nil
			}
			if looked++; looked > sweepLook || len(d.stray) == limit {
				d.next = 0
				return false, nil
			}
			if _, hidden := v.visible.tables.get(string(e.Key)); !hidden {
				switch v.tx.Indexed(e.Key, e.Deadline) {
				case boltfile.Correct:
					return take(string(e.Key), e.Deadline, v.tx.Now), nil
				case boltfile.Stray:
					d.stray = append(d.stray, bytes.Clone(e.Place))
				}
			}
			s.sweep.to = bytes.Clone(e.Place)
			return true, nil
		})
	})
	if len(d.keys) == limit {
		d.next = 0
	}
	return d, err
}

// dropStray removes entries from the index of deadlines that lead to no key: each of them
// counts as an expired key.
func (s *Store) dropStray(ctx context.Context, places [][]byte) error {
	w, err := s.lockFile(ctx)
	if err != nil {
		return notDone(err)
	}
	defer w.unlock()
	if s.life.closing.Load() {
		return nil
	}
	err = s.file.Update(func(tx *boltfile.Tx) error {
		err := tx.DropStray(places)
		if err != nil || tx.Log() != nil || !tx.Changed() {
			return err
		}
		return tx.Twin()
	})
	if err == boltfile.ErrUnchanged {
		return nil
	}
	return boltfile.DiskError(err)
}
