package hashtable

//lint:file-ignore U1000 some types are there for their layout

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// modelEntry is what a plain map knows of a key.
type modelEntry struct {
	value    string
	deadline int64
}

// model is a table without any of its mechanisms.
type model struct {
	entries  map[string]modelEntry
	maxKeys  int
	maxBytes int64
}

func (e modelEntry) live(now int64) bool { return e.deadline == 0 || e.deadline > now }

func (m *model) isLive(key string, now int64) bool {
	e, ok := m.entries[key]
	return ok && e.live(now)
}

// count returns the number of live keys, and the bytes of all.
func (m *model) count(now int64) (live int, bytes int64) {
	for k, e := range m.entries {
		if e.live(now) {
			live++
		}
		bytes += int64(2*len(k) + len(e.value) + Overhead)
	}
	return live, bytes
}

// limit tells what a change of several keys meets, where dead names count so many bytes.
func (m *model) limit(changes map[string]*modelEntry, now, dead int64) Limit {
	if m.maxKeys == 0 && m.maxBytes == 0 {
		for k, e := range changes {
			if delete(m.entries, k); e != nil {
				m.entries[k] = *e
			}
		}
		return None
	}
	before, bytesBefore := m.count(now)
	next := model{entries: maps.Clone(m.entries)}
	for k, e := range changes {
		if e == nil {
			delete(next.entries, k)
		} else {
			next.entries[k] = *e
		}
	}
	switch after, bytes := next.count(now); {
	case m.maxKeys > 0 && after > before && after > m.maxKeys:
		return MaxKeys
	case m.maxBytes > 0 && bytes > bytesBefore && bytes+dead > m.maxBytes:
		return MaxBytes
	}
	m.entries = next.entries
	return None
}

func randomKey(r *rand.Rand) string {
	switch r.IntN(10) {
	case 0:
		return strings.Repeat("long", r.IntN(2500)) + fmt.Sprint(r.IntN(20))
	case 1:
		return string(rune('a' + r.IntN(26)))
	}
	return fmt.Sprintf("key:%0*d", 1+r.IntN(6), r.IntN(700))
}

// record makes a record of one of the kinds, all with the same value.
func record(r *rand.Rand, key, value string, deadline int64) *Record {
	switch r.IntN(4) {
	case 0:
		cut := r.IntN(len(value) + 1)
		return NewText(0, key, []byte(value[:cut]), value[cut:], deadline)
	case 1:
		return NewInt(0, key, []byte(value), int64(len(value)), deadline)
	case 2:
		return NewFloat(0, key, []byte(value), float64(len(value)), deadline)
	}
	return New(0, key, nil, value, deadline)
}

func TestATableDoesWhatAPlainMapDoes(t *testing.T) {
	steps := 30_000
	if testing.Short() {
		steps = 2_000
	}
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			now := int64(1000)
			m := model{entries: map[string]modelEntry{}}
			switch seed % 3 {
			case 1:
				m.maxKeys = 150
			case 2:
				m.maxBytes = 60_000
			}
			table := NewTable(Config{Now: func() int64 { return now }, MaxKeys: int64(m.maxKeys), MaxBytes: m.maxBytes})
			next := func() (value string, deadline int64) {
				value = strings.Repeat("v", r.IntN(80))
				switch r.IntN(4) {
				case 0:
					deadline = now + 1 + r.Int64N(50)
				case 1:
					deadline = now + 100 // many of the same
				case 2:
					deadline = now + 1 + r.Int64N(100_000)
				}
				return value, deadline
			}
			tidied := ""
			for step := range steps {
				switch op := r.IntN(100); {
				case op < 45:
					key := randomKey(r)
					value, deadline := next()
					var s Slot
					s.Lock(table, key)
					if got := s.Record(); (got != nil) != m.isLive(key, now) {
						t.Fatalf("step %d: key %q has record %v", step, key, got)
					}
					if s.Record() != nil && r.IntN(2) == 0 {
						deadline = s.Record().Deadline()
					}
					want := m.limit(map[string]*modelEntry{key: {value, deadline}}, now, table.names.deadBytes)
					if got := s.Put(record(r, key, value, deadline)); got != want {
						t.Fatalf("step %d: put of %q meets limit %d, want %d", step, key, got, want)
					}
					s.Unlock()
				case op < 70:
					key := randomKey(r)
					var s Slot
					s.Lock(table, key)
					s.Delete()
					s.Unlock()
					delete(m.entries, key)
				case op < 80:
					changes := map[string]*modelEntry{}
					for range r.IntN(40) {
						value, deadline := next()
						if changes[randomKey(r)] = nil; r.IntN(3) > 0 {
							changes[randomKey(r)] = &modelEntry{value, deadline}
						}
					}
					keys := slices.Collect(maps.Keys(changes))
					b := table.LockAll(len(keys), func(i int) string { return keys[i] })
					var list []Change
					for _, k := range keys {
						c := Change{Key: k}
						if e := changes[k]; e != nil {
							c.Next = record(r, k, e.value, e.deadline)
						}
						list = append(list, c)
					}
					want := m.limit(changes, now, table.names.deadBytes)
					if got := b.Commit(list, nil); got != want {
						t.Fatalf("step %d: a batch meets limit %d, want %d", step, got, want)
					}
					b.Unlock()
				case op < 88:
					now += r.Int64N(30)
				case op < 93:
					removed := table.Sweep(now)
					gone := 0
					for k, e := range m.entries {
						if e.deadline != 0 && e.deadline <= now && table.Get(k) == nil {
							delete(m.entries, k)
							gone++
						}
					}
					if removed != gone {
						t.Fatalf("step %d: a sweep says it removed %d, it were %d", step, removed, gone)
					}
				case op < 96:
					if r.IntN(2) == 0 {
						table.TidyNext()
					} else {
						tidied, _ = table.Tidy(tidied)
					}
				default:
					checkPage(t, r, table, &m, now)
				}
				if step%10 > 0 && step > 1000 {
					continue
				}
				if live, bytes := m.count(now); table.Live() != live || table.Bytes() != bytes+table.names.deadBytes {
					t.Fatalf("step %d: %d keys and %d bytes, want %d and %d", step, table.Live(), table.Bytes(), live, bytes+table.names.deadBytes)
				}
				if step%500 == 0 {
					if err := table.Check(); err != nil {
						t.Fatalf("step %d: %v", step, err)
					}
				}
			}
			now += 1_000_000
			for table.Sweep(now) > 0 {
			}
			for table.TidyNext() {
			}
			live, _ := m.count(now)
			if err := table.Check(); err != nil || table.Held() != live {
				t.Errorf("after the last sweep %d keys are held, want %d, %v", table.Held(), live, err)
			}
			checkPage(t, r, table, &m, now)
		})
	}
}

func checkPage(t *testing.T, r *rand.Rand, table *Table, m *model, now int64) {
	t.Helper()
	v := View{Values: r.IntN(2) == 0, Limit: 1 + r.IntN(100), Reverse: r.IntN(2) == 0}
	limit := func() string {
		switch r.IntN(4) {
		case 0:
			return []string{"key:", "key:00", "long", "nothing", "key:5", "l", "a", "z", "key:\xff"}[r.IntN(9)]
		case 1:
			return randomKey(r)
		}
		return ""
	}
	v.From, v.To = limit(), limit()
	of := v
	var want, got []string
	for k, e := range m.entries {
		if e.live(now) && k >= v.From && (v.To == "" || k < v.To) {
			want = append(want, k)
		}
	}
	slices.Sort(want)
	if v.Reverse {
		slices.Reverse(want)
	}
	more, most := true, math.MaxInt
	if r.IntN(8) > 0 { // not to the end
		most = 300
	}
	for more && len(got) < most {
		var last string
		more, last = table.Page(v, func(name string, rec *Record) bool {
			if rec != nil && (rec.Key() != name || rec.Value() != m.entries[name].value || rec.Deadline() != m.entries[name].deadline) {
				t.Errorf("record of %q is %q until %d, want %+v", name, rec.Value(), rec.Deadline(), m.entries[name])
			}
			if rec == nil && v.Values {
				t.Errorf("%q comes without its record", name)
			}
			if rec == nil || rec.Deadline() == 0 || rec.Deadline() > now {
				got = append(got, strings.Clone(name))
			}
			return r.IntN(50) > 0
		})
		if v.Reverse {
			v.To = last
		} else {
			v.From = last + "\x00"
		}
	}
	if more {
		want = want[:min(len(got), len(want))]
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%+v: %d keys, want %d", of, len(got), len(want))
	}
}

func TestWhatIsReadyMadeStaysAsItWasWhenTheRecordIsGone(t *testing.T) {
	if !layoutAsExpected {
		t.Error("values are copied: this version of Go lays out interfaces differently")
	}
	type kept struct {
		value any
		want  any
	}
	ready := func(r *Record) any {
		v, ok := r.Scalar()
		if !ok {
			t.Fatalf("record %q has nothing ready-made", r.Value())
		}
		return v
	}
	var all []kept
	for i := range 2000 {
		text := fmt.Sprint("text ", i)
		all = append(all,
			kept{ready(NewText(0, "key", []byte("head"), text, int64(i%2))), text},
			kept{ready(NewInt(0, "k", []byte("value"), int64(i)<<40, int64(i%3))), int64(i) << 40},
			kept{ready(NewFloat(0, "k", nil, float64(i)/3, 0)), float64(i) / 3})
		if i%500 == 0 {
			runtime.GC()
		}
	}
	runtime.GC()
	garbage := make([][]byte, 10_000) // takes the memory that would be free
	for i := range garbage {
		garbage[i] = []byte(strings.Repeat("x", i%64))
	}
	for _, k := range all {
		if k.value != k.want {
			t.Fatalf("%v became %v", k.want, k.value)
		}
	}
	for _, r := range []*Record{NewText(0, "k", []byte("h"), "", 0), New(0, "k", nil, "", 5)} {
		if _, ok := r.Scalar(); ok || r.Text() != nil || r.Int() != nil || r.Float() != nil {
			t.Errorf("record %q has something ready-made", r.Value())
		}
	}
}

// Writers of all kinds, readers, pages, sweeps and tidying at once: each key's value
// names the key, pairs of keys change together, and in the end all parts agree.
func TestATableHoldsTogetherUnderConcurrentUse(t *testing.T) {
	var clock atomic.Int64
	clock.Store(1)
	table := NewTable(Config{Now: clock.Load, MaxKeys: 900, MaxBytes: 150_000})
	rounds := 4000
	if testing.Short() {
		rounds = 1000
	}
	var writers, others sync.WaitGroup
	var done atomic.Bool
	for w := range 4 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 2))
			for i := range rounds {
				key := fmt.Sprint("key:", r.IntN(1200))
				deadline := int64(0)
				if r.IntN(2) == 0 {
					deadline = clock.Load() + 1 + r.Int64N(200)
				}
				switch r.IntN(5) {
				case 0:
					var s Slot
					s.Lock(table, key)
					s.Delete()
					s.Unlock()
				case 1:
					pair := fmt.Sprint(r.IntN(50))
					a, b := "a"+pair, "b"+pair
					batch := table.LockAll(2, func(i int) string { return []string{a, b}[i] })
					v := fmt.Sprint(w, i)
					batch.Commit([]Change{{a, New(0, a, nil, v, deadline)}, {b, New(0, b, nil, v, deadline)}}, nil)
					batch.Unlock()
				default:
					var s Slot
					s.Lock(table, key)
					s.Put(NewText(0, key, []byte("h"), key+strings.Repeat("x", r.IntN(40)), deadline))
					s.Unlock()
				}
				clock.Add(r.Int64N(3))
			}
		})
	}
	for w := range 2 {
		others.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 3))
			for !done.Load() {
				key := fmt.Sprint("key:", r.IntN(1200))
				if rec := table.Get(key); rec != nil && (rec.Key() != key || !strings.HasPrefix(*rec.Text(), key)) {
					t.Errorf("key %q holds %q", key, rec.Value())
					return
				}
				if table.Bytes() > 150_000 {
					t.Errorf("%d bytes are above the limit", table.Bytes())
				}
				pair := fmt.Sprint(r.IntN(50))
				keys := []string{"a" + pair, "b" + pair}
				batch := table.LockAll(2, func(i int) string { return keys[i] })
				a, b := batch.Record(keys[0]), batch.Record(keys[1])
				if (a == nil) != (b == nil) || a != nil && a.Value() != b.Value() {
					t.Errorf("the pair %s is %v and %v", pair, a, b)
				}
				batch.Unlock()
			}
		})
	}
	others.Go(func() {
		tidied := ""
		for !done.Load() {
			if table.Sweep(clock.Load()) == 0 {
				table.TidyNext()
				tidied, _ = table.Tidy(tidied)
			}
		}
	})
	others.Go(func() {
		for !done.Load() {
			values, now := map[string]string{}, int64(0)
			table.Page(View{Values: true, Limit: 5000}, func(name string, r *Record) bool {
				if now == 0 {
					now = clock.Load()
				}
				if r.Deadline() == 0 || r.Deadline() > now {
					values[strings.Clone(name)] = r.Value()
				}
				return true
			})
			if len(values) > 900 {
				t.Errorf("%d keys are above the limit", len(values))
			}
			for k, v := range values {
				if k[0] == 'a' && values["b"+k[1:]] != v {
					t.Errorf("on a page %s is %q, its pair %q", k, v, values["b"+k[1:]])
				}
			}
		}
	})
	writers.Wait()
	done.Store(true)
	others.Wait()
	if err := table.Check(); err != nil {
		t.Error(err)
	}
}

func TestARetiredTableLeavesItToOthersToCount(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	count := func(key string) bool {
		var s Slot
		s.Lock(table, key)
		defer s.Unlock()
		return s.Count()
	}
	for i := range 100 {
		if !count(fmt.Sprint(i)) {
			t.Fatal("a write is not counted")
		}
	}
	if n := table.Counted(); n != 100 {
		t.Errorf("%d writes are counted, want 100", n)
	}
	if n := table.Retire(); n != 100 {
		t.Errorf("%d writes were counted, want 100", n)
	}
	for i := range 100 {
		if count(fmt.Sprint(i)) {
			t.Fatal("a write is counted in a table that is retired")
		}
	}
	if n := table.Counted() + table.Retire(); n != 0 {
		t.Errorf("%d writes are counted twice", n)
	}
}
