package diskstore

import (
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// call is what one call makes of its keys.
type call struct {
	changes []change
	clear   bool
	growth  int64
	weight  boltfile.Need // of its puts
	longest int           // key that it puts
	end     wal.Pos       // of its record
}

// bytes is less than its record has.
func (c *call) bytes() (n int64) {
	for i := range c.changes {
		n += int64(len(c.changes[i].key) + len(c.changes[i].next.Value))
	}
	return n
}

// buffered is how many bytes the changes take in the buffer, at most.
func (c *call) buffered() int64 { return c.bytes() + int64(len(c.changes))*boltfile.EntryOverhead }

// check checks the changes of a call before any of them is written.
func (c *call) check() error {
	for i := range c.changes {
		if err := c.changes[i].next.Check(c.changes[i].key); err != nil {
			return err
		}
	}
	return nil
}

type change struct {
	key       string
	was, next boltfile.State
}

// Plan is a call that is being planned.
type Plan struct {
	Now int64 // nanoseconds since 1970

	d     *Store
	now   time.Time
	log   *wal.Log
	seen  wal.Pos // what the plan depends on has to be durable up to here
	calls uint64  // Store.calls when it was made
	call  call
	puts  bool
}

// State is the newest state of a key, also that of calls that are not durable yet.
// Its value may be missing unless it is asked for.
func (p *Plan) State(key string, value bool) (boltfile.State, error) {
	p.d.mu.RLock()
	s, found := p.buffered(key)
	p.d.mu.RUnlock()
	if found {
		return s, nil
	}
	return p.d.stored(p.now, key, value)
}

// buffered is the state of a key that the file need not be asked about. mu is locked.
func (p *Plan) buffered(key string) (s boltfile.State, found bool) {
	d := p.d
	s, found = d.planned[key]
	if found || d.clearing > 0 {
		p.seen = d.appended[len(d.appended)-1].end
		return s, true
	}
	return d.buffer.get(key)
}

// statesAtOnce is how many keys are looked up while nobody else's call becomes
// visible.
const statesAtOnce = 64

// States is State for n keys, which it is quick with if they come in their order.
// visit gets what State returns.
func (p *Plan) States(n int, key func(i int) string, value bool, visit func(i int, s boltfile.State, err error) error) error {
	if n == 1 {
		s, err := p.State(key(0), value)
		return visit(0, s, err)
	}
	for from := 0; from < n; from += statesAtOnce {
		err := p.d.View(p.now, func(v *View) error {
			for i := from; i < min(n, from+statesAtOnce); i++ {
				var err error
				s, found := p.buffered(key(i))
				if !found {
					s, err = v.t.State(key(i), value)
				}
				if err := visit(i, s, err); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// stored is what the file has of a key.
func (d *Store) stored(now time.Time, key string, value bool) (s boltfile.State, err error) {
	err = d.file.ViewAt(now, func(t *boltfile.Tx) (err error) {
		s, err = t.State(key, value)
		return err
	})
	return s, err
}

// Change makes next of a key, once for each key of a plan. was is what State said.
func (p *Plan) Change(key string, was, next boltfile.State) {
	p.call.changes = append(p.call.changes, change{strings.Clone(key), was, next})
	p.puts = p.puts || next.Exists
	if next.Exists {
		p.call.weight.Add(next.Need(key))
		p.call.longest = max(p.call.longest, len(key))
	}
	if next.Live(p.Now) {
		p.call.growth++
	}
	if was.Live(p.Now) {
		p.call.growth--
	}
}

// Clear removes everything.
func (p *Plan) Clear() { p.call.clear = true }

// Live counts the live keys without the changes of this plan.
func (p *Plan) Live() (n int64, err error) {
	err = p.d.View(p.now, func(v *View) error {
		n, err = v.live()
		n += p.d.growth
		return err
	})
	return n, err
}

// batch is the record of a plan.
func (p *Plan) batch() *wal.Batch {
	b := &wal.Batch{}
	if p.call.clear {
		b.Clear()
	}
	for _, c := range p.call.changes {
		if c.next.Exists {
			b.Put(c.key, c.next.Value, c.next.Deadline)
		} else {
			b.Delete(c.key)
		}
	}
	return b
}
