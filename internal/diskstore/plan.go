package diskstore

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// Change is what a call does to one key.
type Change struct {
	Key       string
	Was, Next boltfile.State
	Changed   bool  // false: Next has no effect
	Damage    error // why the record of the key cannot be read; a change repairs it
}

// Plan is the set of changes of one call.
type Plan struct {
	Now int64 // nanoseconds since 1970

	s       *Store
	now     time.Time
	writes  uint64    // planner.writes when it was made
	depends wal.LSN   // the answer to the call depends on the records before it
	apart   *apart    // nil: others wait while it is planned
	table   *memtable // the changes; nil: they go to the mutable memtable
	segment *logFile  // the log that has the operations in a segment; nil: none
	changeSet
}

// changeSet is what a Plan stores.
type changeSet struct {
	changes []Change
	clear   bool          // before the changes
	puts    bool          // a key gets a value
	growth  int64         // of the number of live keys
	need    boltfile.Need // of the puts
	memory  int64         // what buffered returns; 0: it was not computed yet
	batch   *wal.Batch    // the record, nil: it is not encoded yet
	end     wal.LSN       // of the record
}

// readAtOnce is how many keys Read reads while no other call becomes visible.
const readAtOnce = 64

// Read sets Was and Next of changes to the newest states of their keys, including the
// changes of calls that are not durable yet. Their values can be missing unless values is
// true. take, if not nil, is called with the size of each value, and its error ends Read.
// If Damage is set, Next is an absent key.
func (p *Plan) Read(changes []Change, values bool, take func(bytes int) error) error {
	if p.apart != nil {
		p.apart.read = changes
		defer func() {
			for i := range changes {
				p.apart.saw(&changes[i], p.Now)
			}
		}()
	}
	if len(changes) == 1 {
		s, err := p.state(changes[0].Key, values)
		return changes[0].begin(s, err, take)
	}
	for some := range slices.Chunk(changes, readAtOnce) {
		err := p.s.View(p.now, func(v *View) error {
			for i := range some {
				s, found := v.visible.newest(p, some[i].Key)
				var err error
				if !found {
					s, err = v.tx.State(some[i].Key, values)
				}
				if err := some[i].begin(s, err, take); err != nil {
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

// begin sets the state that a change starts from. err is why its value is missing.
func (c *Change) begin(s boltfile.State, err error, take func(bytes int) error) error {
	if err != nil && (!s.Exists || errors.Is(err, kverr.TooLarge)) {
		return err // unknown whether there is an entry, or what it is
	}
	*c = Change{Key: c.Key, Was: s, Next: s, Damage: err}
	if err != nil {
		c.Next = boltfile.State{}
	}
	if take != nil {
		return take(len(s.Value))
	}
	return nil
}

// state returns the newest state of a key.
func (p *Plan) state(key string, value bool) (boltfile.State, error) {
	s, found := p.s.visible.newestOf(p, key)
	if found {
		return s, nil
	}
	return p.s.stored(p.now, key, value)
}

// Make makes changes the plan's, which owns the slice from then on. Each key has one change.
// It fails, and the plan has no changes, if the file cannot hold one of them.
func (p *Plan) Make(changes []Change) error {
	p.changes = changes
	for i := range changes {
		if !changes[i].Changed {
			p.changes = slices.DeleteFunc(slices.Clone(changes), func(c Change) bool { return !c.Changed })
			break
		}
	}
	for i := range p.changes {
		c := &p.changes[i]
		if err := c.Next.Check(c.Key); err != nil {
			p.changeSet = changeSet{}
			return err
		}
		c.Key, c.Was.Value = strings.Clone(c.Key), ""
		if c.Next.Exists {
			p.puts = true
			p.need.Add(c.Next.Need(c.Key))
		}
		if c.Next.Live(p.Now) {
			p.growth++
		}
		if c.Was.Live(p.Now) {
			p.growth--
		}
	}
	return nil
}

// Clear removes all keys.
func (p *Plan) Clear() { p.clear = true }

// Growth returns by how many live keys the changes increase the store.
func (p *Plan) Growth() int64 { return p.growth }

// Live returns the number of live keys without the changes of this plan.
func (p *Plan) Live() (n int64, err error) {
	if p.apart != nil {
		p.apart.counted = true
	}
	err = p.s.View(p.now, func(v *View) error {
		n, err = v.live()
		n += v.visible.appended.growth
		return err
	})
	return n, err
}

func (c *changeSet) empty() bool { return len(c.changes) == 0 && !c.clear }

// bytes returns less than the size of the record.
func (c *changeSet) bytes() (n int64) {
	for i := range c.changes {
		n += int64(len(c.changes[i].Key) + len(c.changes[i].Next.Value))
	}
	return n
}

// buffered returns how many bytes the changes take in the memtable, at most.
func (c *changeSet) buffered() int64 {
	if c.memory > 0 {
		return c.memory
	}
	return c.bytes() + int64(len(c.changes))*boltfile.EntryOverhead
}

// record returns the record of the log.
func (c *changeSet) record() *wal.Batch {
	b := &wal.Batch{}
	if c.clear {
		b.Clear()
	}
	for i := range c.changes {
		if ch := &c.changes[i]; ch.Next.Exists {
			b.Put(ch.Key, ch.Next.Value, ch.Next.Deadline)
		} else {
			b.Delete(ch.Key)
		}
	}
	return b
}
