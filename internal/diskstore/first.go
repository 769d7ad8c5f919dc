package diskstore

import (
	"strings"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
)

// First is the first live key of a range, in its newest state.
type First struct {
	Key   string
	State boltfile.State
	// Declined reports that finding the key takes long: First has visited maxFirstLook states
	// that are not live.
	Declined bool
}

// maxFirstLook is how many states First looks at while no other call is planned.
const maxFirstLook = 4096

// First returns the first live key of a range in the newest states, including the changes of
// calls that are not durable yet. If there is none, the result has no key.
func (p *Plan) First(r Range) (First, error) {
	f := p.s.planner.frontiers.of(r)
	var first First
	err := p.s.View(p.now, func(v *View) (err error) {
		first, err = v.first(p, f)
		return err
	})
	return first, err
}

// first is Plan.First for the rest of a range, which it makes smaller.
func (v *View) first(p *Plan, f *frontier) (first First, err error) {
	a := &v.visible.appended
	if n := len(a.plans); n > 0 {
		p.depends = a.plans[n-1].end
	}
	// The first one of the calls that are not visible yet, of which there are few.
	better := func(key string) bool {
		return first.Key == "" || key < first.Key && !f.left.Reverse || key > first.Key && f.left.Reverse
	}
	for key := range a.states {
		if s, _ := a.get(key); s.Live(p.Now) && f.left.contains(key) && better(key) {
			first.Key, first.State = key, s
		}
	}
	for _, large := range a.tables {
		large.each(f.left, func(c *Change) (more bool) {
			s, _ := a.get(c.Key)
			if s.Live(p.Now) && better(c.Key) {
				first.Key, first.State = c.Key, s
			}
			return !s.Live(p.Now)
		})
	}
	if a.clears > 0 {
		return first, nil
	}
	looked, gone := 0, true // gone: none of the visited keys exists
	err = v.Scan(f.left, true, func(key string, value []byte, deadline int64, exists bool) (bool, error) {
		if !better(key) {
			return false, nil
		}
		s, changed := a.get(key)
		if !changed {
			s = boltfile.State{Exists: exists, Deadline: deadline}
		}
		if gone = gone && !s.Exists; gone {
			f.advance(key)
		}
		if s.Live(p.Now) {
			if !changed {
				s.Value = string(value)
			}
			first = First{Key: strings.Clone(key), State: s}
			return false, nil
		}
		if looked++; looked == maxFirstLook {
			first.Declined = true
			return false, nil
		}
		return true, nil
	})
	return first, err
}

// frontiers remember, of some ranges, which part has no keys, so that a queue whose keys are
// removed one by one does not cost its removed keys each time. planner.mu is locked.
type frontiers struct {
	ranges []*frontier
	oldest int // the next one to be replaced
}

// frontier is a range, and the part of it that can have keys.
type frontier struct {
	all, left Range
}

const maxFrontiers = 16

// of returns the frontier of a range.
func (fs *frontiers) of(r Range) *frontier {
	for _, f := range fs.ranges {
		if f.all == r {
			return f
		}
	}
	f := &frontier{all: r, left: r}
	if len(fs.ranges) < maxFrontiers {
		fs.ranges = append(fs.ranges, f)
	} else {
		fs.ranges[fs.oldest] = f
		fs.oldest = (fs.oldest + 1) % maxFrontiers
	}
	return f
}

// stored notes that a call has given values to keys.
func (fs *frontiers) stored(p *Plan) {
	for _, f := range fs.ranges {
		if p.table != nil { // the changes are in the order of their keys
			p.each(f.passed(), func(c *Change) (more bool) {
				if c.Next.Exists {
					f.retreat(c.Key)
				}
				return !c.Next.Exists
			})
			continue
		}
		for i := range p.changes {
			if key := p.changes[i].Key; p.changes[i].Next.Exists && f.all.contains(key) && !f.left.contains(key) {
				f.retreat(key)
			}
		}
	}
}

// passed returns the part of the range that has no keys, in its order.
func (f *frontier) passed() Range {
	r := f.all
	if r.Reverse {
		r.From = f.left.To
		if r.From == "" { // nothing was passed
			r.From, r.To = "\x00", "\x00"
		}
	} else {
		r.To = f.left.From
		if r.To <= r.From {
			r.From, r.To = "\x00", "\x00"
		}
	}
	return r
}

// advance notes that no key up to this one exists.
func (f *frontier) advance(key string) {
	if f.left.Reverse {
		f.left.To = key
	} else {
		f.left.From = key + "\x00"
	}
}

// retreat makes a key part of what is left.
func (f *frontier) retreat(key string) {
	if f.left.Reverse {
		f.left.To = key + "\x00"
	} else {
		f.left.From = key
	}
}

func (r *Range) contains(key string) bool {
	return key >= r.From && (r.To == "" || key < r.To)
}
