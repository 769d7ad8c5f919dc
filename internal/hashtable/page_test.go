package hashtable

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// writes changes a table and its model at random, also by a large batch that takes several
// steps.
type writes struct {
	t       *testing.T
	r       *rand.Rand
	table   *Table
	m       model
	now     int64
	expire  bool // some keys have deadlines
	batch   *Large
	changes map[string]*modelEntry // of the batch
	next    func(i int, live *Record) (*Record, error)
	at      int // first key of the batch that is not installed
}

func newWrites(t *testing.T, r *rand.Rand) *writes {
	w := &writes{t: t, r: r, now: 1000, m: model{entries: map[string]modelEntry{}}}
	w.table = NewTable(Config{Now: func() int64 { return w.now }})
	return w
}

func (w *writes) key() string {
	key := fmt.Sprintf("%c%02d", 'a'+w.r.IntN(3), w.r.IntN(60))
	if w.r.IntN(20) == 0 {
		key += strings.Repeat("x", shortName) // a sweep removes its name
	}
	return key
}

func (w *writes) entry() modelEntry {
	e := modelEntry{value: fmt.Sprint(w.r.IntN(1000))}
	if w.expire && w.r.IntN(3) == 0 {
		e.deadline = w.now + 1 + w.r.Int64N(100)
	}
	return e
}

// step makes one change. A change that adds no name overwrites or deletes a live key.
func (w *writes) step(addNames bool) {
	key := w.key()
	if !addNames && !w.m.isLive(key, w.now) {
		return
	}
	switch op := w.r.IntN(100); {
	case op < 60:
		e := w.entry()
		var s Slot
		s.Lock(w.table, key)
		s.Put(record(w.r, key, e.value, e.deadline))
		s.Unlock()
		w.m.entries[key] = e
	case op < 75:
		var s Slot
		s.Lock(w.table, key)
		s.Delete()
		s.Unlock()
		delete(w.m.entries, key)
	case op < 85:
		w.now += w.r.Int64N(10)
	case op < 88:
		w.table.Sweep(w.now)
	case op < 90:
		w.table.TidyNext()
	case addNames:
		w.stepBatch()
	}
}

// stepBatch begins a large batch, installs some of its keys, commits it, or ends it.
func (w *writes) stepBatch() {
	switch {
	case w.batch == nil:
		w.changes = map[string]*modelEntry{}
		for range 1 + w.r.IntN(40) {
			key := w.key()
			if w.changes[key] = nil; w.r.IntN(3) > 0 {
				e := w.entry()
				w.changes[key] = &e
			}
		}
		w.at = 0
		w.batch, w.next = largeOf(w.t, w.table, w.changes, true)
	case w.at < len(w.changes) && w.r.IntN(30) > 0:
		for range 10 {
			if w.at < len(w.changes) {
				w.at, _ = w.batch.Install(w.at, w.now, w.next)
			}
		}
	case w.at == len(w.changes) && w.r.IntN(3) > 0:
		w.batch.Commit(nil)
		w.m.limit(w.changes, w.now, 0)
		w.at++
	default:
		w.batch.End() // and undo it, if it is not committed
		w.batch = nil
	}
}

// live returns the live keys of a view, in its order.
func (w *writes) live(v View) []string {
	keys := slices.Sorted(maps.Keys(w.m.entries))
	keys = slices.DeleteFunc(keys, func(key string) bool {
		return !w.m.isLive(key, w.now) || key < v.From || v.To != "" && key >= v.To
	})
	if v.Reverse {
		slices.Reverse(keys)
	}
	return keys
}

// Whatever is written between Take and Pick, the page has each chosen key that is live at the
// moment of Pick, as it is then, and no key that belongs on the page is missing among the
// names.
func TestPickShowsOneMomentOfTheNamesThatWereTaken(t *testing.T) {
	r := kvtest.Rand(t)
	outcomes := map[string]int{}
	for n := range kvtest.Sized(4, 10, 1000) {
		w := newWrites(t, r)
		for round := range 300 {
			if round%100 == 0 {
				w.endDeadlines()
				w.expire = n%2 == 0 && round > 0
			}
			for range r.IntN(20) {
				w.step(true)
			}
			outcomes[w.page()]++
		}
	}
	t.Log(outcomes)
	if len(outcomes) != 4 {
		t.Errorf("outcomes are %v, want 4 of them", outcomes)
	}
}

// endDeadlines removes all keys that have a deadline. The names of some of them stay.
func (w *writes) endDeadlines() {
	if w.batch != nil {
		w.batch.End()
		w.batch = nil
	}
	for w.now += 1000; w.table.Sweep(w.now) > 0; {
	}
}

// page compares what Take and Pick return with the model.
func (w *writes) page() (outcome string) {
	w.t.Helper()
	v := View{Limit: 1 + w.r.IntN(150), Reverse: w.r.IntN(2) == 0, Values: w.r.IntN(2) == 0}
	if w.r.IntN(2) == 0 {
		v.From = w.key()
	}
	if w.r.IntN(2) == 0 {
		v.To = w.key()
	}
	var taken Taken
	names, covered := w.take(v, &taken)
	chosen := w.choose(&taken, names)
	between, addNames := w.r.IntN(4), w.r.IntN(2) == 0
	for range between {
		w.step(addNames)
	}
	var got, want []string
	visits, stop := 0, len(names)+1
	if w.r.IntN(4) == 0 {
		stop = 1 + w.r.IntN(len(names)+1)
	}
	ok := w.table.Pick(v.Values, &taken, func(name string, r *Record) bool {
		visits++
		if r == nil || r.Key() != name {
			w.t.Fatalf("the page has %v for key %q", r, name)
		}
		if alive(r, w.now) == 1 {
			got = append(got, strings.Clone(name)+"="+r.Value())
		}
		return visits < stop
	})
	outcome = fmt.Sprintf("all live %v, page %v", taken.Live(), ok)
	if !ok {
		if visits > 0 || between == 0 || !addNames {
			w.t.Fatalf("%d writes, which add names: %v: there is no page, after %d keys of it", between, addNames, visits)
		}
		return outcome
	}
	for _, name := range chosen {
		if w.m.isLive(name, w.now) {
			want = append(want, name+"="+w.m.entries[name].value)
		}
	}
	if visits == stop {
		want = want[:min(len(got), len(want))]
	}
	if !slices.Equal(got, want) {
		w.t.Fatalf("the page has %q, want %q", got, want)
	}
	w.none("at the moment of the page", w.live(covered), names)
	return outcome
}

// take returns the names that Take takes, and the part of the view that they are all names
// of.
func (w *writes) take(v View, taken *Taken) (names []string, covered View) {
	w.t.Helper()
	most := 1 + w.r.IntN(500)
	more, last := w.table.Take(v, taken, most)
	for i := range taken.Len() {
		name, r := taken.At(i)
		if names = append(names, strings.Clone(name)); r != nil {
			w.t.Fatalf("name %q is taken with its record", name)
		}
	}
	inOrder := slices.Clone(names)
	slices.Sort(inOrder)
	if v.Reverse {
		slices.Reverse(inOrder)
	}
	if n := len(slices.Compact(inOrder)); n != len(names) || !slices.Equal(names, inOrder) {
		w.t.Fatalf("names are taken in the order %q", names)
	}
	for _, name := range names {
		if name < v.From || v.To != "" && name >= v.To {
			w.t.Fatalf("%q is taken for %+v", name, v)
		}
		if taken.Live() && !w.m.isLive(name, w.now) {
			w.t.Fatalf("all names are said to be those of live keys, %q is not", name)
		}
	}
	bytes := len(strings.Join(names, ""))
	if taken.Bytes() != bytes || len(names) > v.Limit || len(names) > 0 && bytes-len(names[len(names)-1]) >= most {
		w.t.Fatalf("%d names of %d bytes, said to be %d, are taken, most are %d of %d", len(names), bytes, taken.Bytes(), v.Limit, most)
	}
	covered = v
	if more {
		if len(names) == 0 || last != names[len(names)-1] || len(names) < v.Limit && bytes < most {
			w.t.Fatalf("after %d of %d names, %d of %d bytes, the last one %q, there are more", len(names), v.Limit, bytes, most, last)
		}
		if covered.To = last + "\x00"; v.Reverse {
			covered.To, covered.From = v.To, last
		}
	}
	w.none("at the moment of Take", w.live(covered), names)
	return names, covered
}

// none fails the test if a live key is none of the names.
func (w *writes) none(when string, live, names []string) {
	w.t.Helper()
	for _, key := range live {
		if !slices.Contains(names, key) {
			w.t.Fatalf("%s key %q is live, and missing among the names %q", when, key, names)
		}
	}
}

// choose chooses some of the names.
func (w *writes) choose(taken *Taken, names []string) (chosen []string) {
	w.t.Helper()
	for i, name := range names {
		if w.r.IntN(4) > 0 {
			if chosen = append(chosen, name); taken.Choose(i) != len(chosen) {
				w.t.Fatalf("%d names are chosen, want %d", taken.Choose(i)-1, len(chosen))
			}
		}
	}
	var each []string
	stop := 1 + w.r.IntN(len(names)+1)
	taken.Each(func(name string, r *Record) bool {
		if each = append(each, name); r != nil {
			w.t.Fatalf("the chosen name %q has a record", name)
		}
		return len(each) < stop
	})
	if want := chosen[:min(stop, len(chosen))]; !slices.Equal(each, want) {
		w.t.Fatalf("chosen are %q, want %q", each, want)
	}
	return chosen
}

// A page of records keeps all writers waiting; so it can be of one moment.
func TestPickOfValuesKeepsOthersFromWriting(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	const keys = 5000
	for i := range keys {
		key := fmt.Sprint(i)
		var s Slot
		s.Lock(table, key)
		s.Put(New(0, key, nil, "v", 0))
		s.Unlock()
	}
	var taken Taken
	table.Take(View{Limit: 2 * keys}, &taken, 1<<20)
	for i := range taken.Len() {
		taken.Choose(i)
	}
	visits := 0
	table.Pick(true, &taken, func(name string, r *Record) bool {
		visits++
		var s Slot
		if s.TryLock(table, fmt.Sprint((visits*7)%keys)) {
			s.Unlock()
			t.Fatalf("while the page shows %q a key can be written to", name)
		}
		return true
	})
	if visits != keys {
		t.Errorf("the page has %d keys, want %d", visits, keys)
	}
}

// What was taken with records is shown with them, and a Taken that is reused shows nothing of
// its last use, nor keeps records from being freed.
func TestATakenIsEmptyAfterReset(t *testing.T) {
	var taken Taken
	add := func(keys ...string) {
		for _, key := range keys {
			taken.Add(key, New(0, key, nil, "value of "+key, 0))
		}
	}
	shown := func() (all []string) {
		taken.Each(func(name string, r *Record) bool {
			all = append(all, name+": "+r.Value())
			return true
		})
		return all
	}
	add("a", "", "c")
	taken.Choose(1)
	taken.Choose(2)
	if got, want := shown(), []string{": value of ", "c: value of c"}; !slices.Equal(got, want) {
		t.Errorf("chosen are %q, want %q", got, want)
	}
	records := taken.records
	if taken.Reset(); taken.Len() != 0 || taken.Bytes() != 0 || shown() != nil {
		t.Errorf("after Reset there are %d names of %d bytes, chosen are %q", taken.Len(), taken.Bytes(), shown())
	}
	if i := slices.IndexFunc(records, func(r *Record) bool { return r != nil }); i >= 0 {
		t.Errorf("after Reset the record of %q is still held", records[i].Key())
	}
	add("d")
	taken.Choose(0)
	if got, want := shown(), []string{"d: value of d"}; !slices.Equal(got, want) {
		t.Errorf("after Reset chosen are %q, want %q", got, want)
	}
}
