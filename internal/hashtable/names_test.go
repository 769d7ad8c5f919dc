package hashtable

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// lengths are those at which something about a name changes, and their neighbors.
var lengths = func() (all []int) {
	for _, n := range []int{1, 8, shortName, 1 << 10, leafBytes / 2, leafBytes, 32 << 10, MaxKey} {
		all = append(all, n-1, n, n+1)
	}
	return slices.DeleteFunc(all, func(n int) bool { return n < 1 || n > MaxKey })
}()

// nameOf makes a name that begins with a number, so that names of all lengths are
// neighbors.
func nameOf(group, length int) string {
	head := fmt.Sprintf("%04d", group%10_000)
	if length <= len(head) {
		return head[:max(1, length)]
	}
	return head + strings.Repeat(string(rune('a'+group%26)), length-len(head))
}

// namesModel applies steps to a table and to a plain set, and compares the two.
type namesModel struct {
	table *Table
	keys  map[string]bool // whether it is about to expire
	now   int64
}

func newNamesModel() *namesModel {
	m := &namesModel{keys: map[string]bool{}, now: 1}
	m.table = NewTable(Config{Now: func() int64 { return m.now }})
	return m
}

func (m *namesModel) put(key string, expires bool) {
	deadline := int64(0)
	if expires {
		deadline = m.now + 10
	}
	var s Slot
	s.Lock(m.table, key)
	defer s.Unlock()
	s.Put(New(0, key, nil, "v", deadline))
	m.keys[key] = expires
}

func (m *namesModel) remove(key string) {
	var s Slot
	s.Lock(m.table, key)
	defer s.Unlock()
	s.Delete()
	delete(m.keys, key)
}

// expire sweeps the keys that have a deadline.
func (m *namesModel) expire(tidy bool) {
	m.now += 10
	for m.table.Sweep(m.now) > 0 {
	}
	for key, expires := range m.keys {
		if expires {
			delete(m.keys, key)
		}
	}
	for tidy && m.table.TidyNext() {
	}
}

func (m *namesModel) check(t *testing.T) {
	t.Helper()
	if err := m.table.Check(); err != nil {
		t.Fatalf("%.200s", err)
	}
	want := make([]string, 0, len(m.keys))
	for key := range m.keys {
		want = append(want, key)
	}
	slices.Sort(want)
	var got []string
	for last, more := "", true; more; {
		from := ""
		if last != "" {
			from = last + "\x00"
		}
		more, last = m.table.Page(View{From: from, Limit: 50}, func(name string, _ *Record) bool {
			got = append(got, strings.Clone(name))
			return true
		})
	}
	if !slices.Equal(got, want) {
		t.Fatalf("pages have %d names, want %d", len(got), len(want))
	}
	got = got[:0]
	for to, more := "", true; more; {
		more, to = m.table.Page(View{To: to, Reverse: true, Limit: 50}, func(name string, _ *Record) bool {
			got = append(got, strings.Clone(name))
			return true
		})
	}
	slices.Reverse(got)
	if !slices.Equal(got, want) {
		t.Fatalf("pages in descending order have %d names, want %d", len(got), len(want))
	}
}

func TestNamesOfEveryLengthAreNeighbors(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 7))
		m := newNamesModel()
		groups := 1 + r.IntN(400)
		key := func() string {
			length := 1 + r.IntN(80)
			switch r.IntN(12) {
			case 0:
				length = lengths[r.IntN(len(lengths))]
			case 1:
				length = 1 + r.IntN(MaxKey)
			}
			return nameOf(r.IntN(groups), length)
		}
		for step := range 3000 {
			switch op := r.IntN(100); {
			case op < 65:
				m.put(key(), r.IntN(3) == 0)
			case op < 98:
				m.remove(key())
			default:
				m.expire(r.IntN(2) == 0)
			}
			if step%500 == 0 {
				m.check(t)
			}
		}
		m.check(t)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		m.expire(true)
		for key := range m.keys {
			m.remove(key)
		}
		m.check(t)
		if n := &m.table.names; m.table.Bytes() != 0 || len(n.branches) != 0 || n.n != 0 || n.dead != 0 {
			t.Fatalf("seed %d: without a key the table counts %d bytes in %d branches, %d names", seed, m.table.Bytes(), len(n.branches), n.n)
		}
	}
}

// Full leaves of short names with long names before, in and after them.
func TestLongNamesGoBetweenShortOnes(t *testing.T) {
	for _, short := range []int{5, 40, 63, 64, 65} {
		for _, long := range lengths[len(lengths)-8:] {
			m := newNamesModel()
			for i := range leafKeys {
				m.put(nameOf(i, short), false)
			}
			for _, at := range []int{10, 0, leafKeys - 1, leafKeys / 2} {
				for i := range 3 {
					m.put(fmt.Sprintf("%04d~%d", at, i)+strings.Repeat("z", max(0, long-6)), i == 1)
				}
			}
			m.check(t)
			m.expire(true)
			m.check(t)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 5, 0, 1, 0, 128, 1, 1, 0, 128, 2})
	f.Add([]byte("\x00\x00\x05\x00\xff\xff\x00\x00\x06\x00\xff\xff\x02\x00\x05\x00\xff\xff"))
	f.Fuzz(func(t *testing.T, program []byte) {
		m := newNamesModel()
		for len(program) >= 5 && len(m.keys) < 1000 {
			group, length := int(binary.LittleEndian.Uint16(program[1:])), int(binary.LittleEndian.Uint16(program[3:]))
			key := nameOf(group, max(1, length))
			switch program[0] % 8 {
			case 0, 1, 2:
				m.put(key, false)
			case 3, 4:
				m.put(key, true)
			case 5, 6:
				m.remove(key)
			case 7: // short names fill leaves
				for i := range length % 200 {
					m.put(nameOf(group+i, 1+length%70), length%3 == 0)
				}
				if length%5 == 0 {
					m.expire(length%2 == 0)
				}
			}
			program = program[5:]
		}
		m.check(t)
	})
}
