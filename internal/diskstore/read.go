package diskstore

import (
	"bytes"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Load returns what is visible of a key. What it finds was read before a call that
// began later could change it.
func (d *Store) Load(now time.Time, key string, value bool) (s boltfile.State, err error) {
	d.mu.RLock()
	s, found := d.buffer.get(key)
	d.mu.RUnlock()
	if d.over.Load() {
		return boltfile.State{}, kverr.Closed
	}
	if found {
		return s, nil
	}
	return d.stored(now, key, value)
}

// View runs fn over a state of all keys at one moment.
func (d *Store) View(now time.Time, fn func(*View) error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.over.Load() {
		return kverr.Closed
	}
	return d.file.ViewAt(now, func(t *boltfile.Tx) error { return fn(&View{d, t}) })
}

// View is a state of all keys at one moment. It lives as long as the call that it
// is given to.
type View struct {
	d *Store
	t *boltfile.Tx
}

// State returns what is stored under a key; its value may be missing unless it is
// asked for.
func (v *View) State(key string, value bool) (s boltfile.State, err error) {
	if s, found := v.d.buffer.get(key); found {
		return s, nil
	}
	return v.t.State(key, value)
}

// Epoch changes with each Clear.
func (v *View) Epoch() uint64 { return v.d.epoch }

// Scan visits what is stored under the keys of a prefix from start on, in order,
// until visit says no. A key that is gone and still in the buffer is visited too,
// so that visit can count what it costs to look at it. value is good until the
// next one, and may be missing unless values are wanted.
func (v *View) Scan(prefix, start string, values bool, visit func(key string, value []byte, deadline int64, exists bool) (more bool, err error)) error {
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
			deadline, value, err := v.t.Parse(key, rec, values)
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
func (d *Store) Len(now time.Time) (n int64, err error) {
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
	return max(0, n), nil // a damaged file may name fewer keys than it has
}
