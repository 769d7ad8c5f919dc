//go:build unix

package diskstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// fullRound fills a random store until it is full, and continues to use it.
type fullRound struct {
	db
	t      *testing.T
	r      *rand.Rand
	path   string
	opts   []option
	keys   [2]int // least and most bytes of a key
	values [2]int
	limit  int64
	noLog  bool
	want   map[string]boltfile.State
	order  []string // keys in the order in which they were stored, some of them removed since
}

// size returns a number of bytes of one of several magnitudes.
func (f *fullRound) sizes(most ...int) [2]int {
	n := most[f.r.IntN(len(most))]
	if f.r.IntN(2) == 0 {
		return [2]int{n, n}
	}
	return [2]int{1, n}
}

func (f *fullRound) between(n [2]int) int { return n[0] + f.r.IntN(n[1]-n[0]+1) }

func (f *fullRound) begin() (what string) {
	f.keys = f.sizes(8, 30, 300, 2000, 9000, 32768)
	f.values = f.sizes(1, 30, 700, 3000, 40_000)
	least := int64(64 * (f.keys[1] + f.values[1]))        // most of less is the reserve
	most := int64(200_000 + 1500*(f.keys[1]+f.values[1])) // a store of more takes long to fill
	limit := max(least, min(int64(160<<10)<<f.r.IntN(4), most)) + f.r.Int64N(50_000)
	f.limit = limit
	log := int64(16<<10) << f.r.IntN(7)
	f.opts = []option{maxBytes(limit), logBytes(log)}
	what = fmt.Sprintf("keys %d, values %d, limit %d, log %d", f.keys, f.values, limit, log)
	switch f.r.IntN(4) {
	case 0:
		f.opts, f.noLog = append(f.opts, hook(noLogHook)), true
		what += ", no log"
	case 1:
		f.opts = append(f.opts, interval(time.Hour))
		what += ", interval"
	}
	f.path = f.t.TempDir() + "/store.db"
	f.want = map[string]boltfile.State{}
	f.open()
	return what
}

func (f *fullRound) open() {
	f.t.Helper()
	f.db = mustOpen(f.t, f.path, f.opts...)
}

func (f *fullRound) reopen(why string) {
	f.t.Helper()
	if err := f.Close(); err != nil {
		f.t.Fatalf("close %s: %v", why, err)
	}
	f.check(why)
	f.open()
}

// check compares the closed file with what was acknowledged.
func (f *fullRound) check(why string) {
	f.t.Helper()
	if left, err := os.Stat(f.path + "-log"); err == nil {
		f.t.Fatalf("%s: a log of %d bytes is left", why, left.Size())
	}
	d := mustOpen(f.t, f.path, readOnly())
	entries, err := d.entries("")
	if err != nil || len(entries) != len(f.want) {
		f.t.Fatalf("%s: %d entries of %d, %v", why, len(entries), len(f.want), err)
	}
	for _, e := range entries {
		if e.Was != f.want[e.Key] {
			f.t.Fatalf("%s: the entry of %.20q is wrong", why, e.Key)
		}
	}
	if err := d.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// tearNext checks that a store without a log opens with all entries after a power cut that
// tears the meta page of its next commit: that is the older one. In some rounds it first drops
// entries from the index of deadlines, as a sweep does.
func (f *fullRound) tearNext(why string) {
	f.t.Helper()
	if !f.noLog {
		return
	}
	if f.r.IntN(2) == 0 {
		if err := f.dropStray(context.Background(), [][]byte{[]byte("nowhere")}); err != nil {
			f.t.Fatal(err)
		}
	}
	file, err := os.ReadFile(f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	newer, older := metaPages(file)
	copy(file[older+32:older+42], file[newer+32:newer+42])
	clear(file[older+42 : older+44])
	path := f.t.TempDir() + "/torn.db"
	if err := os.WriteFile(path, file, 0o600); err != nil {
		f.t.Fatal(err)
	}
	torn := *f
	torn.path = path
	torn.check("torn " + why)
	if err := os.Remove(path); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fullRound) key() string {
	key := fmt.Sprintf("%08x", f.r.Uint32())
	n := f.between(f.keys)
	return key[:min(n, len(key))] + strings.Repeat("k", max(0, n-len(key)))
}

func (f *fullRound) put(key string) error {
	s := boltfile.State{Exists: true, Value: strings.Repeat(string(rune('a'+f.r.IntN(26))), f.between(f.values))}
	if f.r.IntN(4) == 0 {
		s.Deadline = time.Now().Add(time.Hour).UnixNano()
	}
	return f.store(key, s)
}

func (f *fullRound) store(key string, s boltfile.State) error {
	err := f.Write(context.Background(), func(p *Plan) error { return makeState(p, key, s) })
	if err != nil {
		return err
	}
	if _, existed := f.want[key]; !existed && s.Exists {
		f.order = append(f.order, key)
	}
	if f.want[key] = s; !s.Exists {
		delete(f.want, key)
	}
	return nil
}

// fill stores entries until the store is full, and replaces and removes some meanwhile.
func (f *fullRound) fill() {
	f.t.Helper()
	churn := f.r.IntN(3)
	for range 500_000 {
		var err error
		switch old := f.r.IntN(10); {
		case old < churn && len(f.order) > 0:
			key := f.order[f.r.IntN(len(f.order))]
			if old > 0 {
				err = f.put(key)
			} else if err = f.store(key, boltfile.State{}); err != nil {
				f.t.Fatalf("delete while the store fills up, with %d keys: %v", len(f.want), err)
			}
		default:
			err = f.put(f.key())
		}
		switch {
		case errors.Is(err, kverr.Full):
			return
		case err != nil:
			f.t.Fatalf("set, with %d keys: %v", len(f.want), err)
		}
	}
	f.t.Fatal("the store is never full")
}

// remove removes a part of the keys one by one, in some order, and returns them.
func (f *fullRound) remove(part int) (removed []string) {
	f.t.Helper()
	f.order = slices.DeleteFunc(f.order, func(key string) bool { return !f.want[key].Exists })
	keys := slices.Clone(f.order)
	switch f.r.IntN(4) {
	case 0:
		slices.Reverse(keys)
	case 1:
		slices.Sort(keys)
	case 2:
		f.r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	}
	for _, key := range keys[:(len(keys)+part-1)/part] {
		if f.want[key].Exists { // once removed and stored again, a key is there twice
			if err := f.store(key, boltfile.State{}); err != nil {
				f.t.Fatalf("delete, with %d keys: %v", len(f.want), err)
			}
			removed = append(removed, key)
		}
	}
	return removed
}

// removeAtOnce removes a part of the keys in one call, and returns them.
func (f *fullRound) removeAtOnce(part int) (removed []string) {
	f.t.Helper()
	removed = slices.Sorted(maps.Keys(f.want))
	switch n := (len(removed) + part - 1) / part; f.r.IntN(3) {
	case 0:
		removed = removed[:n]
	case 1: // from all over the file
		f.r.Shuffle(len(removed), func(i, j int) { removed[i], removed[j] = removed[j], removed[i] })
		removed = removed[:n]
	default: // from each page
		for i := range n {
			removed[i] = removed[i*part]
		}
		removed = removed[:n]
	}
	err := f.Write(context.Background(), func(p *Plan) error {
		changes := make([]Change, len(removed))
		for i, key := range removed {
			changes[i].Key = key
		}
		if err := p.Read(changes, false, nil); err != nil {
			return err
		}
		for i := range changes {
			changes[i].Next, changes[i].Changed = boltfile.State{}, true
		}
		return p.Make(changes)
	})
	if err != nil {
		f.t.Fatalf("delete of %d keys of %d at once: %v", len(removed), len(f.want), err)
	}
	for _, key := range removed {
		delete(f.want, key)
	}
	return removed
}

func (f *fullRound) empty() {
	f.t.Helper()
	if err := f.clear(); err != nil {
		f.t.Fatalf("clear, with %d keys: %v", len(f.want), err)
	}
	clear(f.want)
	f.order = nil
}

func (f *fullRound) run() {
	what := f.begin()
	defer func() {
		if f.t.Failed() {
			f.t.Log(what)
		}
	}()
	for range 1 + f.r.IntN(3) {
		f.fill()
		f.tearNext("when it is full")
		states := maps.Clone(f.want)
		if f.r.IntN(2) == 0 {
			f.reopen("of a full store")
		}
		removed := slices.Sorted(maps.Keys(states))
		switch f.r.IntN(6) {
		case 4:
			f.removeAtOnce(1)
		case 5:
			removed = f.removeAtOnce(2)
		case 0:
			f.empty()
		case 1:
			f.remove(2)
			f.empty()
		case 2:
			f.remove(1)
		case 3:
			removed = f.remove(2)
		}
		f.tearNext("after removals")
		for _, key := range removed[:len(removed)/4] {
			if err := f.store(key, states[key]); err != nil {
				f.t.Fatalf("set when there is room again, with %d keys: %v", len(f.want), err)
			}
		}
		if f.r.IntN(2) == 0 {
			f.reopen("of a store with room")
		}
	}
	if err := f.Close(); err != nil {
		f.t.Fatalf("close: %v", err)
	}
	f.check("at the end")
	if info, err := os.Stat(f.path); err != nil || info.Size() > f.limit {
		f.t.Errorf("the file has %d bytes: %v", info.Size(), err)
	}
}

// TestWhateverFillsAStoreItTakesDeletesClearAndCloseAndThenSetsAgain is the adversary of the
// reserve: random lengths of keys and values, limits, logs, and orders.
func TestWhateverFillsAStoreItTakesDeletesClearAndCloseAndThenSetsAgain(t *testing.T) {
	t.Parallel()
	random := kvtest.Rand(t)
	for range kvtest.Sized(3, 12, 5000) {
		seed := random.Uint64()
		f := &fullRound{t: t, r: rand.New(rand.NewPCG(seed, 1))}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			f.t = t
			f.run()
		})
	}
}
