package boltfile

import "bytes"

// An IndexEntry is an entry of the file's index of deadlines. Its fields are the file's
// memory, valid until the function that received it returns.
type IndexEntry struct {
	Deadline int64
	Key      []byte // empty in a damaged entry
	Place    []byte // the entry's own key, by which the index is ordered
}

// ScanDeadlines visits the index of deadlines as it was when the transaction began, in
// order, from a place on (nil: the beginning), until visit returns false.
func (t *Tx) ScanDeadlines(from []byte, visit func(IndexEntry) (more bool, err error)) error {
	if t.cleared {
		return nil
	}
	return t.snap.expiryTree().Scan(from, func(k, v []byte) (bool, error) {
		deadline, key := splitExpiryEntry(k, v)
		return visit(IndexEntry{deadline, key, k})
	})
}

// Indexing is the state of an entry of the index of deadlines: correct, or what is wrong.
type Indexing int

// The results of Tx.Indexed.
const (
	Unreadable Indexing = iota // the record of the key cannot be read
	Correct
	Stray // there is no such key, or it has another deadline
)

// Indexed compares an entry of the index of deadlines with the key's record.
func (t *Tx) Indexed(key []byte, deadline int64) Indexing {
	if len(key) == 0 {
		return Stray
	}
	_, has, exists, err := t.Entry(string(key), false)
	switch {
	case err != nil:
		return Unreadable
	case exists && has == deadline:
		return Correct
	}
	return Stray
}

// DropStray removes the entries at these places from the index of deadlines if they
// are still stray.
func (t *Tx) DropStray(places [][]byte) error {
	for _, k := range places {
		// A short key is no entry, and its value must not be taken for its key.
		key := k[min(len(k), deadlineBytes):]
		deadline, _ := splitExpiryEntry(k, nil)
		index := t.snap.expiryTree()
		if v, err := index.Get(k); err != nil {
			return err
		} else if len(v) > 0 {
			key = v
		}
		if t.Indexed(key, deadline) == Stray {
			t.dirty = true
			t.index = append(t.index, indexChange{k: k, remove: true})
		}
	}
	return nil
}

// findUnknown adds the removals of the keys in unknown to those of the index, before
// what the transaction stores under them.
func (t *Tx) findUnknown() error {
	if len(t.unknown) == 0 {
		return nil
	}
	var found []indexChange
	err := t.ScanDeadlines(nil, func(e IndexEntry) (bool, error) {
		if _, ok := t.unknown[string(e.Key)]; ok {
			found = append(found, indexChange{k: bytes.Clone(e.Place), remove: true})
			if e.Deadline <= t.Now {
				t.expired--
			}
		}
		return true, nil
	})
	t.index, t.unknown = append(found, t.index...), nil
	return err
}

// Expired counts the expired entries that are still in the file.
func (t *Tx) Expired() (int64, error) {
	if t.cleared {
		return t.expired, nil
	}
	n, err := t.snap.expired.at(t.snap.expiryTree(), t.Now)
	return n + t.expired, err
}
