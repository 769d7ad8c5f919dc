package extlibs

// Range asks Store.Scan for a page: the keys that start with Prefix, are greater than After
// (unless it is empty), less than Before (unless it is empty), and satisfy Match (unless it
// is nil). Both limits are exclusive in either direction.
type Range struct {
	Prefix  string
	After   string
	Before  string
	Reverse bool                  // the greatest key first
	Match   func(key string) bool // must not block nor use a store
	Limit   int                   // maximum number of entries; 0: the store decides
	Need    Need                  // what the entries must have besides their keys
}

// Bounds returns the half-open interval of keys that r selects before Match: from <= key,
// and key < to unless to is empty. It can be empty: from >= to.
func (r *Range) Bounds() (from, to string) {
	from, to = r.Prefix, prefixEnd(r.Prefix)
	if r.After != "" && r.After >= from {
		from = r.After + "\x00"
	}
	if r.Before != "" && (to == "" || r.Before < to) {
		to = r.Before
	}
	return from, to
}

// Resume makes r the remaining range after a page whose last key was next.
func (r *Range) Resume(next string) {
	if r.Reverse {
		r.Before = next
	} else {
		r.After = next
	}
}

// prefixEnd returns the least string that is greater than every string with a prefix, or ""
// if there is none.
func prefixEnd(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if c := prefix[i]; c < 0xff {
			return prefix[:i] + string([]byte{c + 1})
		}
	}
	return ""
}
