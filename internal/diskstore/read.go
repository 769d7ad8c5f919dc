package diskstore

import (
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Load returns the visible state of a key. Its value can be missing unless it is wanted. now
// must have been read before the call, so that a write after it cannot be missed.
func (s *Store) Load(now time.Time, key string, value bool) (boltfile.State, error) {
	state, found := s.visible.get(key)
	if s.life.closed.Load() {
		return boltfile.State{}, kverr.Closed
	}
	if found {
		return state, nil
	}
	return s.stored(now, key, value)
}

// stored returns the state of a key in the file.
func (s *Store) stored(now time.Time, key string, value bool) (state boltfile.State, err error) {
	err = s.file.ViewAt(now, func(tx *boltfile.Tx) (err error) {
		state, err = tx.State(key, value)
		return err
	})
	return state, err
}

// View runs fn with the state of all keys at one moment.
func (s *Store) View(now time.Time, fn func(*View) error) error {
	if s.life.closed.Load() {
		return kverr.Closed
	}
	return s.visible.view(s.file, now, fn)
}

// Len returns the number of live keys.
func (s *Store) Len(now time.Time) (n int64, err error) {
	err = s.View(now, func(v *View) error {
		n, err = v.live()
		return err
	})
	return n, err
}

// View is the state of all keys at one moment. It is valid until the function that received
// it returns.
type View struct {
	visible *visible // locked
	tx      *boltfile.Tx
}

// State returns the state of a key. Its value can be missing unless it is wanted.
func (v *View) State(key string, value bool) (boltfile.State, error) {
	if s, found := v.visible.tables.get(key); found {
		return s, nil
	}
	return v.tx.State(key, value)
}

// Epoch changes with each clear.
func (v *View) Epoch() uint64 { return v.visible.epoch }

// Range is the keys from From on that are less than To; an empty To is no limit.
type Range struct {
	From, To string
	Reverse  bool // the greatest key first
}

// passed reports whether a scan that reaches key has left the range.
func (r *Range) passed(key string) bool {
	if r.Reverse {
		return key < r.From
	}
	return r.To != "" && key >= r.To
}

// Scan visits the states of the keys of a range, in its order, until visit returns false.
// It visits tombstones too, so that visit can count the work. value is valid until the next
// visit, and can be missing unless values are wanted.
func (v *View) Scan(r Range, values bool, visit func(key string, value []byte, deadline int64, exists bool) (more bool, err error)) error {
	buffered := v.visible.tables.scan(r)
	more := true
	// upTo visits the keys of the memtables up to limit, and reports whether limit was one.
	upTo := func(limit string, all bool) (same bool, err error) {
		for more {
			key, s, ok := buffered.peek()
			if !ok || r.passed(key) || !all && (key > limit && !r.Reverse || key < limit && r.Reverse) {
				return false, nil
			}
			buffered.skip(key)
			more, err = visit(key, []byte(s.Value), s.Deadline, s.Exists)
			if err != nil {
				return false, err
			}
			if !all && key == limit {
				return true, nil
			}
		}
		return false, nil
	}
	if !v.visible.tables.hideFile() {
		stored := func(k, rec []byte) (bool, error) {
			key := string(k)
			if r.passed(key) {
				return false, nil
			}
			same, err := upTo(key, false)
			if err != nil || !more || same {
				return more, err
			}
			deadline, value, err := v.tx.Parse(k, rec, values)
			if err != nil {
				return false, err
			}
			more, err = visit(key, value, deadline, true)
			return more, err
		}
		var err error
		if r.Reverse {
			err = v.tx.ScanReverse(r.To, stored)
		} else {
			err = v.tx.Scan(r.From, stored)
		}
		if err != nil || !more {
			return err
		}
	}
	_, err := upTo("", true)
	return err
}

func (v *View) live() (n int64, err error) {
	tables, file := v.visible.tables.over(v.tx)
	if file {
		expired, err := v.tx.Expired()
		if err != nil {
			return 0, err
		}
		n = v.tx.Count - expired
	}
	for _, t := range tables {
		n += t.live(v.tx.Now)
	}
	return max(0, n), nil // a damaged file can name fewer keys than it has
}
