package boltfile

import (
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// checkState says why a store can't hold a state under a key, or returns nil. What is
// written, to the log or to the file, and what is replayed from a log pass the same
// check, so that no acknowledged write is refused after a crash.
func checkState(key string, s State) error {
	switch {
	case key == "" || len(key) > bolt.MaxKeySize:
		return kverr.Errorf(kverr.Invalid, "a key has %d bytes, it can have 1 to %d", len(key), bolt.MaxKeySize)
	case !s.Exists:
	case s.Value == "":
		return kverr.Errorf(kverr.Invalid, "a value is empty")
	case s.Deadline < 0:
		return kverr.Errorf(kverr.Invalid, "a deadline is before 1970")
	}
	return nil
}

// check checks the changes of a call before any of them is written.
func (c *call) check() error {
	for i := range c.changes {
		if err := checkState(c.changes[i].key, c.changes[i].next); err != nil {
			return err
		}
	}
	return nil
}
