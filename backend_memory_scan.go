package extlibs

import (
	"context"
	"strings"
	"sync"

	"github.com/scriptling-kv/extlibs/internal/hashtable"
)

// Limits of a page of the in-memory store.
const (
	memoryScanStep   = 2048      // keys that it looks at
	memoryValuesStep = 512       // the same where values are wanted, which keeps everyone from writing
	memoryScanBytes  = 256 << 10 // bytes of keys that it takes along to match them
	memoryMatchStep  = 8         // keys matched between two checks of the context

	memoryPageEntries = 64 // capacity of a page at first
)

// Scan takes what it needs out of the table atomically, and does the rest of the
// work, the matching above all, when others can write again.
func (m *memory) Scan(ctx context.Context, r Range) (page Page, err error) {
	st, err := m.open()
	if err != nil {
		return Page{}, err
	}
	defer m.guard(st, &err)
	view := hashtable.View{Reverse: r.Reverse, Values: r.Need != 0, Limit: memoryScanStep}
	view.From, view.To = r.Bounds()
	if view.Values {
		view.Limit = memoryValuesStep
	}
	page = Page{Epoch: st.epoch}
	now := int64(0)
	live := func(record *hashtable.Record) bool {
		if record == nil || record.Deadline() == 0 {
			return true
		}
		if now == 0 {
			now = m.now()
		}
		return record.Deadline() > now
	}
	var keys keyCopies
	add := func(name string, record *hashtable.Record) (full bool) {
		if page.Entries == nil {
			page.Entries = make([]Entry, 0, memoryPageEntries)
		}
		e := Entry{Key: keys.add(name)}
		if r.Need != 0 {
			e, _ = entryOf(e.Key, record, now)
		}
		page.Entries = append(page.Entries, e)
		return len(page.Entries) == r.Limit
	}
	if r.Match == nil {
		page.More, page.Next = st.Page(view, func(name string, record *hashtable.Record) bool {
			return !live(record) || !add(name, record)
		})
		return page, nil
	}
	taken := takenPool.Get().(*hashtable.Taken)
	defer func() {
		taken.Reset()
		takenPool.Put(taken)
	}()
	choose := func() error {
		for i := range taken.Len() {
			if i%memoryMatchStep == 0 {
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			if name, _ := taken.At(i); r.Match(name) && taken.Choose(i) == r.Limit {
				page.More, page.Next = true, strings.Clone(name)
				break
			}
		}
		return nil
	}
	entry := func(name string, record *hashtable.Record) bool {
		if live(record) {
			add(name, record)
		}
		return true
	}
	page.More, page.Next = st.Take(view, taken, memoryScanBytes)
	if err := choose(); err != nil {
		return Page{}, err
	}
	if r.Need == 0 && taken.Live() {
		taken.Each(entry)
		return page, nil
	}
	if st.Pick(view.Values, taken, entry) {
		return page, nil
	}
	// A key came while the names were matched. What is taken with its record is of
	// one moment, whatever comes.
	taken.Reset()
	page.More, page.Next = st.Page(view, func(name string, record *hashtable.Record) bool {
		if live(record) {
			taken.Add(name, record)
		}
		return taken.Bytes() < memoryScanBytes
	})
	if err := choose(); err != nil {
		return Page{}, err
	}
	taken.Each(entry)
	return page, nil
}

// takenPool holds the empty Taken values of ended pages.
var takenPool = sync.Pool{New: func() any { return new(hashtable.Taken) }}

// keyCopies copies keys into common memory, several to one allocation.
type keyCopies struct{ strings.Builder }

const keyCopiesBytes = 1024 // that a key may keep alive beside itself

func (c *keyCopies) add(key string) string {
	if c.Cap()-c.Len() < len(key) {
		c.Reset()
		c.Grow(max(keyCopiesBytes, len(key)))
	}
	begin := c.Len()
	c.WriteString(key)
	return c.String()[begin:]
}
