package diskstore

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
)

// A call on many keys is planned apart: while it reads its keys, decides and encodes its
// record, other calls are planned and appended too. Each call that changes something is
// noted for all that are planned apart meanwhile, in the order of the log. If none of them
// changes a key that the call has read, and no such key expires, planning the call now would
// give the same result. Otherwise it is planned again, and after some tries while others wait.

// defaultApartKeys is how many keys a call has at least that is planned apart.
const defaultApartKeys = 1024

// defaultTableBytes is how much memory the changes of such a call take at least to be a memtable:
// putting fewer into the mutable memtable takes some milliseconds, during which reads wait. A
// checkpoint merges memtables, which takes the memory of their entries once more.
const defaultTableBytes = 4 << 20

// Limits of plans that are made apart.
const (
	apartTries     = 3        // before the call is planned while others wait
	maxApart       = 16       // calls at once; each is compared with all others, and is in memory
	maxOthersBytes = 64 << 20 // of calls that are kept for one plan to be compared with
)

// apart is what a plan depends on, and what has happened since it was begun.
type apart struct {
	read    []Change // in the order of their keys
	expires int64    // the first deadline of a key that was live, in nanoseconds since 1970
	counted bool     // the plan depends on the number of keys, and so on every change

	changed
}

// changed are the calls that changed something and were not compared with a plan yet.
// planner.mu is locked.
type changed struct {
	plans []*Plan
	bytes int64
	wrong bool // the plan is wrong, or there were too many calls to keep them
}

// add notes a call whose changes take some bytes.
func (c *changed) add(p *Plan, bytes int64) {
	if c.bytes += bytes; c.bytes > maxOthersBytes {
		c.plans, c.wrong = nil, true
	}
	if !c.wrong {
		c.plans = append(c.plans, p)
	}
}

// take returns the calls, so that they can be compared.
func (c *changed) take() (plans []*Plan, wrong bool) {
	plans = c.plans
	c.plans, c.bytes = nil, 0
	return plans, c.wrong
}

// WriteMany is Write for a call on some number of keys. decide reads all of them with one
// call of Read, and nothing else but Live.
func (s *Store) WriteMany(ctx context.Context, keys int, decide func(*Plan) error) error {
	return s.write(ctx, max(1, keys), decide)
}

// planApart plans a call while others are planned. It returns nil if other calls change its
// keys each time, or if too many calls are planned apart. The caller ends the plan, and looks
// with stillRight before it appends it.
func (s *Store) planApart(ctx context.Context, decide func(*Plan) error) (*Plan, error) {
	for range apartTries {
		p, err := s.beginApart(ctx)
		if err != nil || p == nil {
			return nil, err
		}
		if err = decide(p); err == nil {
			p.encode()
		}
		right, err2 := s.compareApart(ctx, p)
		if err2 == nil && right {
			return p, err
		}
		s.endApart(p)
		if err2 != nil {
			return nil, err2
		}
		if p.apart.counted { // the next try would most likely fail too
			break
		}
	}
	return nil, nil
}

// beginApart returns a plan, and notes that it is planned apart. It returns nil if too many are.
func (s *Store) beginApart(ctx context.Context) (*Plan, error) {
	l, err := s.lockPlanner(ctx)
	if err != nil {
		return nil, err
	}
	defer l.unlock()
	if len(s.planner.apart) >= maxApart {
		return nil, nil
	}
	p, err := l.newPlan()
	if err != nil {
		return nil, err
	}
	p.apart = &apart{expires: math.MaxInt64}
	s.planner.apart = append(s.planner.apart, p)
	return p, nil
}

// compareApart is stillRight as of the moment at which it locks the planner. It compares
// without the lock, because that takes time, so that less is left for stillRight.
func (s *Store) compareApart(ctx context.Context, p *Plan) (right bool, err error) {
	l, err := s.lockPlanner(ctx)
	if err != nil {
		return false, err
	}
	a, now := p.apart, s.opts.Now().UnixNano()
	others, wrong := a.take()
	l.unlock()
	a.sort()
	return !wrong && now < a.expires && !a.touchedBy(others), nil
}

// encode makes the record of a plan and, if it has many changes, their memtable, unless the log
// cannot take the record.
func (p *Plan) encode() {
	f := p.s.logFile.Load()
	if f == nil || p.empty() || p.bytes() > f.size/2 {
		return
	}
	p.batch = p.record()
	if p.buffered() >= p.s.opts.Parts.tableBytes() {
		p.makeTable()
	}
}

// makeTable makes a memtable of the changes, which becomes visible at once, however many they
// are, below a new mutable memtable.
func (p *Plan) makeTable() {
	if p.clear || !inOrder(p.changes) {
		return
	}
	p.table, p.memory = &memtable{}, p.buffered()
	for i := range p.changes {
		c := &p.changes[i]
		p.table.append(c.Key, c.Was, c.Next)
	}
}

// each visits the keys of a plan with a table in the order of a range.
func (p *Plan) each(r Range, visit func(c *Change) (more bool)) {
	from, _ := slices.BinarySearchFunc(p.changes, r.From, compareKey)
	to := len(p.changes)
	if r.To != "" {
		to, _ = slices.BinarySearchFunc(p.changes, r.To, compareKey)
	}
	for from < to {
		at := from
		if r.Reverse {
			to--
			at = to
		} else {
			from++
		}
		if !visit(&p.changes[at]) {
			return
		}
	}
}

// endApart notes that a plan is no longer compared, and so no longer right.
func (s *Store) endApart(p *Plan) {
	s.planner.pause(func() {
		p.apart.wrong = true
		s.planner.apart = slices.DeleteFunc(s.planner.apart, func(q *Plan) bool { return q == p })
	})
}

// stillRight reports whether planning a call again would give the same plan. No other call is
// planned or appended meanwhile.
func (l planning) stillRight(p *Plan) bool {
	s := l.s
	if s.life.closing.Load() {
		return false
	}
	a := p.apart
	if a == nil {
		return p.writes == s.planner.writes
	}
	others, wrong := a.take()
	a.wrong = wrong || s.opts.Now().UnixNano() >= a.expires || a.touchedBy(others)
	return !a.wrong
}

// stored notes that a call has changed something. Its plan is no longer compared with others,
// although the call can still wait for its sync.
func (p *planner) stored(plan *Plan) {
	p.writes++
	p.apart = slices.DeleteFunc(p.apart, func(q *Plan) bool { return q == plan })
	if len(p.apart) == 0 {
		return
	}
	bytes := plan.buffered() // which takes a time that grows with the changes
	for _, q := range p.apart {
		q.apart.add(plan, bytes)
	}
}

// saw notes a state that the plan was made from.
func (a *apart) saw(c *Change, now int64) {
	if d := c.Was.Deadline; c.Was.Exists && d > now {
		a.expires = min(a.expires, d)
	}
}

// sort makes sure that the keys are in order.
func (a *apart) sort() {
	if !inOrder(a.read) {
		a.read = slices.SortedFunc(slices.Values(a.read), compareKeys)
	}
}

// touchedBy reports whether one of the calls has changed what the plan depends on.
func (a *apart) touchedBy(others []*Plan) bool {
	for _, p := range others {
		if p.clear || a.counted || touch(a.read, p.changes) {
			return true
		}
	}
	return false
}

// searchFrom is the number of keys for each change from which on each change is searched among
// the keys; with fewer, touch walks both.
const searchFrom = 16

// touch reports whether keys, which are in order, and changes have a key in common.
func touch(keys, changes []Change) bool {
	if len(changes) > len(keys)/searchFrom && inOrder(changes) {
		for len(keys) > 0 && len(changes) > 0 {
			switch c := compareKeys(keys[0], changes[0]); {
			case c == 0:
				return true
			case c < 0:
				keys = keys[1:]
			default:
				changes = changes[1:]
			}
		}
		return false
	}
	for i := range changes {
		if _, found := slices.BinarySearchFunc(keys, changes[i], compareKeys); found {
			return true
		}
	}
	return false
}

func compareKey(c Change, key string) int { return strings.Compare(c.Key, key) }

func compareKeys(a, b Change) int { return strings.Compare(a.Key, b.Key) }

func inOrder(changes []Change) bool { return slices.IsSortedFunc(changes, compareKeys) }

func (p Parts) apartKeys() int { return cmp.Or(p.ApartKeys, defaultApartKeys) }

func (p Parts) tableBytes() int64 { return cmp.Or(p.TableBytes, defaultTableBytes) }
