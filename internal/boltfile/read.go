package boltfile

import (
	"bytes"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Load returns what is visible of a key. What it finds was read before a call that
// began later could change it.
func (d *Disk) Load(now time.Time, key string, value bool) (s State, err error) {
	d.mu.RLock()
	s, found := d.buffer.get(key)
	d.mu.RUnlock()
	if d.over.Load() {
		return State{}, kverr.Closed
	}
	if found {
		return s, nil
	}
	return d.stored(now, key, value)
}

// View runs fn over a state of all keys at one moment.
func (d *Disk) View(now time.Time, fn func(*View) error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.over.Load() {
		return kverr.Closed
	}
	return d.file.ViewAt(now, func(t *Tx) error { return fn(&View{d, t}) })
}

// View is a state of all keys at one moment. It lives as long as the call that it
// is given to.
type View struct {
	d *Disk
	t *Tx
}

// State returns what is stored under a key; its value may be missing unless it is
// asked for.
func (v *View) State(key string, value bool) (s State, err error) {
	if s, found := v.d.buffer.get(key); found {
		return s, nil
	}
	return v.t.state(key, value)
}

func (t *Tx) state(key string, value bool) (s State, err error) {
	var v []byte
	v, s.Deadline, s.Exists, err = t.Entry(key)
	if value {
		s.Value = string(v)
	}
	return s, err
}

// Epoch changes with each Clear.
func (v *View) Epoch() uint64 { return v.d.epoch }

// Scan visits what is stored under the keys of a prefix from start on, in order,
// until visit says no. A key that is gone and still in the buffer is visited too,
// so that visit can count what it costs to look at it. value is good until the
// next one.
func (v *View) Scan(prefix, start string, visit func(key string, value []byte, deadline int64, exists bool) (more bool, err error)) error {
	start = max(prefix, start)
	buffered := v.d.buffer.from(start)
	more := true
	upTo := func(limit []byte, all bool) (same bool, err error) {
		for more {
			key, s, ok := buffered.peek()
			if !ok || !all && key > string(limit) || !strings.HasPrefix(key, prefix) {
				return false, nil
			}
			buffered.skip(key)
			more, err = visit(key, []byte(s.Value), s.Deadline, s.Exists)
			if err != nil {
				return false, err
			}
			if !all && key == string(limit) {
				return true, nil
			}
		}
		return false, nil
	}
	if !v.d.buffer.hidesFile() {
		p := []byte(prefix)
		err := v.t.Scan(start, func(key, rec []byte) (bool, error) {
			if !bytes.HasPrefix(key, p) {
				return false, nil
			}
			same, err := upTo(key, false)
			if err != nil || !more || same {
				return more, err
			}
			deadline, value, err := ParseRecord(key, rec)
			if err != nil {
				return false, err
			}
			more, err = visit(string(key), value, deadline, true)
			return more, err
		})
		if err != nil || !more {
			return err
		}
	}
	_, err := upTo(nil, true)
	return err
}

// Len counts the live keys.
func (d *Disk) Len(now time.Time) (n int64, err error) {
	err = d.View(now, func(v *View) error {
		n, err = v.live()
		return err
	})
	return n, err
}

func (v *View) live() (n int64, err error) {
	layers, file := v.d.buffer.layers(v.t)
	if file {
		expired, err := v.t.Expired()
		if err != nil {
			return 0, err
		}
		n = v.t.Count - expired
	}
	for _, l := range layers {
		n += l.live(v.t.Now)
	}
	return n, nil
}

// Due returns up to limit keys that have expired, and the time until the next
// deadline: 0 if more has expired, less than 0 if nothing will. What the buffer
// hides is still in the file's index; so each search goes on where the last one
// ended, until a checkpoint has taken that away. One goroutine calls it at a time.
func (d *Disk) Due(now time.Time, limit int) (keys []string, next time.Duration, err error) {
	next = -1
	seen := map[string]struct{}{}
	take := func(key string, deadline, at int64) (more bool) {
		if deadline > at {
			if in := time.Duration(deadline - at); next < 0 || in < next {
				next = in
			}
			return false
		}
		if len(keys) == limit {
			next = 0
			return false
		}
		if _, ok := seen[key]; !ok {
			seen[key] = struct{}{}
			keys = append(keys, strings.Clone(key))
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
		tree := v.t.snap.expiryTree()
		return tree.scan(d.sweptTo, func(k, value []byte) (bool, error) {
			deadline, key := splitExpiryEntry(k, value)
			if deadline <= v.t.Now {
				if _, hidden := d.buffer.get(string(key)); hidden {
					d.sweptTo = bytes.Clone(k)
					return true, nil
				}
			}
			return take(string(key), deadline, v.t.Now), nil
		})
	})
	if next != 0 && len(keys) == limit {
		next = 0
	}
	return keys, next, err
}
