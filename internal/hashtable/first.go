package hashtable

import (
	"sort"
	"strings"
)

// First is what PopFirst did.
type First struct {
	Record *Record // that it removed; nil: the view has no live key
	Now    int64   // the reading of the clock that was used for all keys
	// Declined says that PopFirst changed nothing, because the first value has more than its
	// bytes, or finding it takes long.
	Declined bool
	// Busy is not nil if a large batch changes the first key. It is closed when the batch
	// ends; nothing was changed.
	Busy <-chan struct{}

	passed int // names without a live record before the first key
}

// PopFirst looks at up to firstLook names while others cannot add any. If it passes
// firstSkip or more without a live record, it removes dead ones among them.
const (
	firstLook = 4096
	firstSkip = leafKeys
)

// TryPopping takes the right to call PopFirst if no other caller has it, and reports whether
// it did; StartPopping waits for it. Callers that take turns never compete for the same key.
func (t *Table) TryPopping() bool { return t.popping.TryLock() }

// StartPopping takes the right to call PopFirst. EndPopping has to follow.
func (t *Table) StartPopping() { t.popping.Lock() }

// EndPopping ends the right to call PopFirst.
func (t *Table) EndPopping() { t.popping.Unlock() }

// PopFirst removes the first live key of a view, atomically: no other key of the view came
// before it at that moment.
func (t *Table) PopFirst(v View, maxBytes int) First {
	for {
		t.mu.RLock()
		name, f := t.first(v)
		name = strings.Clone(name)
		t.mu.RUnlock()
		if f.Record == nil {
			if f.passed >= firstSkip {
				t.mu.Lock()
				t.compactFrom(v, name)
				t.mu.Unlock()
			}
			return f
		}
		if f, done := t.popFirst(v, name, maxBytes); done {
			return f
		}
	}
}

// popFirst is PopFirst for a view whose first live key was name. done is false if it is
// another one by now.
func (t *Table) popFirst(v View, name string, maxBytes int) (f First, done bool) {
	var s Slot
	s.Lock(t, name)
	defer s.Unlock()
	removed := false
	func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		var first string
		first, f = t.first(v)
		switch {
		case f.Record == nil:
			done = true
		case first != name || f.Record != s.old: // an update may have replaced the record
		case s.Busy() != nil:
			f.Busy, done = s.Busy(), true
		case len(f.Record.Value()) > maxBytes:
			f.Declined, done = true, true
		default:
			t.commitLocked([]change{{s.hash, s.at, s.old, nil}}, 0, nil)
			removed, done = true, true
		}
		if done && f.passed >= firstSkip {
			t.compactFrom(v, name)
		}
	}()
	if removed {
		t.shrink(s.shard)
	}
	return f, done
}

// first returns the first live key of a view, valid as long as the names do not change, with
// its record and the time. It needs t.mu.
func (t *Table) first(v View) (name string, f First) {
	if t.due.n > 0 {
		f.Now = t.config.Now()
	}
	for at := range t.names.within(v) {
		hash := t.hash(at)
		r := t.sight(t.shard(hash).find(hash, at).record)
		if r != nil && (r.Deadline() == 0 || r.Deadline() > f.Now) {
			name, f.Record = at, r
			break
		}
		name = at
		if f.passed++; f.passed == firstLook {
			f.Declined = true
			break
		}
	}
	return name, f
}

// compactFrom removes dead names that calls of PopFirst had to pass, some at a time: what
// sweeps leave would cost each of them. last is the last visited name of the view. It
// needs t.mu.
func (t *Table) compactFrom(v View, last string) {
	from := v.From
	if v.Reverse {
		from = last
	}
	t.compactNames(from)
}

// within returns the names of a view, in its order. Each is valid as long as the names do
// not change.
func (x *names) within(v View) func(yield func(name string) bool) {
	return func(yield func(name string) bool) {
		if v.Reverse {
			x.descend(v, yield)
		} else {
			x.ascend(v, yield)
		}
	}
}

func (x *names) ascend(v View, yield func(name string) bool) {
	for l := range x.ascending(v.From) {
		i := 0
		if l.key(0) < v.From {
			i, _ = l.search(v.From)
		}
		for ; i < len(l.begins); i++ {
			if name := l.key(i); v.To != "" && name >= v.To || !yield(name) {
				return
			}
		}
	}
}

func (x *names) descend(v View, yield func(name string) bool) {
	for l := range x.descending(v.To) {
		i := len(l.begins)
		if v.To != "" {
			i = sort.Search(i, func(i int) bool { return l.key(i) >= v.To })
		}
		for i--; i >= 0; i-- {
			if name := l.key(i); name < v.From || !yield(name) {
				return
			}
		}
	}
}
