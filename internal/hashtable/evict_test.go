package hashtable

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// putIn stores a record in a cache as the in-memory store does. removed is told what is
// evicted for it.
func putIn(t *Table, key string, r *Record, now int64, removed func(string)) (evicted, expired int) {
	var s Slot
	s.Lock(t, key)
	limit := s.Put(r)
	s.Unlock()
	if limit == None {
		return 0, 0
	}
	room, err := t.Room(context.Background())
	if err != nil {
		panic(err)
	}
	defer room.End()
	room.Removed = removed
	for {
		s.Lock(t, key)
		limit := s.PutIn(r, room)
		s.Unlock()
		if limit == None {
			return room.Evicted, room.Expired
		}
		for {
			enough, more := room.Step(now)
			if enough {
				break
			}
			if !more && !t.TidyNext() {
				panic("nothing is left to evict")
			}
		}
	}
}

// What a cache holds is what was stored, less what was deleted, and less what it says that
// it evicted, whatever the sizes, the limits and the deadlines. Its limits always hold.
func TestACacheCountsExactlyWhatItEvicts(t *testing.T) {
	r := kvtest.Rand(t)
	for round := range 12 {
		now := int64(1)
		c := Config{Now: func() int64 { return now }, MaxBytes: 1000 + r.Int64N(60_000)}
		if r.IntN(2) == 0 {
			c.MaxKeys = 1 + r.Int64N(200)
		}
		table, model := NewCache(c), map[string]int64{}
		evicted, expired, removed := 0, 0, 0
		for step := range 3000 {
			key := fmt.Sprintf("key:%04d%s", r.IntN(600), strings.Repeat("x", r.IntN(3)*30))
			switch op := r.IntN(20); {
			case op < 10:
				deadline := int64(0)
				if r.IntN(4) == 0 {
					deadline = now + r.Int64N(50)
				}
				record := New(0, key, nil, strings.Repeat("v", r.IntN(int(min(c.MaxBytes-400, 1+r.Int64N(c.MaxBytes))))), deadline)
				if record.Size() > c.MaxBytes {
					continue
				}
				for table.Due(now) {
					n := table.Sweep(now)
					expired += n
					for k, d := range model {
						if d != 0 && d <= now && table.Get(k) == nil {
							delete(model, k)
							n--
						}
					}
					if n != 0 {
						t.Fatalf("round %d, step %d: a sweep miscounts by %d", round, step, n)
					}
				}
				v, x := putIn(table, key, record, now, func(gone string) {
					removed++
					if _, there := model[gone]; !there || gone == key {
						t.Fatalf("round %d, step %d: %q is evicted for %q", round, step, gone, key)
					}
					delete(model, strings.Clone(gone))
				})
				evicted, expired = evicted+v, expired+x
				removed -= v + x
				model[key] = deadline
			case op < 12:
				var s Slot
				s.Lock(table, key)
				s.Delete()
				s.Unlock()
				delete(model, key)
			case op < 18:
				table.Get(key)
			default:
				now += r.Int64N(20)
			}
			if removed != 0 {
				t.Fatalf("round %d, step %d: %d keys are removed and not counted", round, step, removed)
			}
			if b := table.Bytes(); b > c.MaxBytes {
				t.Fatalf("round %d, step %d: %d bytes, the limit is %d", round, step, b, c.MaxBytes)
			}
			if n := table.Live(); c.MaxKeys > 0 && int64(n) > c.MaxKeys {
				t.Fatalf("round %d, step %d: %d keys, the limit is %d", round, step, n, c.MaxKeys)
			}
			if table.Held() != len(model) {
				t.Fatalf("round %d, step %d: %d keys are held, want %d", round, step, table.Held(), len(model))
			}
			if step%100 == 0 {
				if err := table.Check(); err != nil {
					t.Fatalf("round %d, step %d: %v", round, step, err)
				}
			}
		}
		for key := range model {
			if table.Get(key) == nil {
				t.Fatalf("round %d: %q is lost", round, key)
			}
		}
		if evicted == 0 {
			t.Errorf("round %d: nothing was evicted", round)
		}
	}
}

// Many writers of small values and of values that need most of the cache get on, batches of
// both kinds too, and every key is accounted for.
func TestWritersOfACacheMakeRoomConcurrently(t *testing.T) {
	r := kvtest.Rand(t)
	const limit = 200_000
	table := NewCache(Config{Now: func() int64 { return 1 }, MaxBytes: limit, MaxKeys: 1000})
	var added, gone atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		r := rand.New(rand.NewPCG(r.Uint64(), uint64(w)))
		wg.Go(func() {
			for n := range 400 {
				size := 10 + r.IntN(400)
				if w == 0 && n%10 == 0 {
					size = limit * 2 / 3
				}
				key := fmt.Sprintf("%d:%d", w, r.IntN(500)) // no other goroutine writes it
				switch r.IntN(8) {
				case 0:
					var s Slot
					s.Lock(table, key)
					if s.Exists() {
						gone.Add(1)
					}
					s.Delete()
					s.Unlock()
				case 1, 2:
					table.Get(key)
					table.Get(fmt.Sprintf("%d:%d", (w+1)%8, r.IntN(500)))
				case 3:
					keys := make([]string, 300)
					for i := range keys {
						keys[i] = fmt.Sprintf("%d:%d", w, i)
					}
					if _, _, err := table.Records(context.Background(), keys); err != nil {
						t.Error(err)
					}
				default:
					record := New(0, key, nil, strings.Repeat("v", size), 0)
					fresh := false
					evicted, expired := putCounted(table, key, record, &fresh)
					gone.Add(int64(evicted + expired))
					if fresh {
						added.Add(1)
					}
				}
				if b := table.Bytes(); b > limit {
					t.Errorf("%d bytes, the limit is %d", b, limit)
				}
			}
		})
	}
	wg.Wait()
	if err := table.Check(); err != nil {
		t.Fatal(err)
	}
	if held := int64(table.Held()); held != added.Load()-gone.Load() {
		t.Errorf("%d keys are held, %d were added and %d are gone", held, added.Load(), gone.Load())
	}
	if b := table.Bytes(); b > limit {
		t.Errorf("%d bytes, the limit is %d", b, limit)
	}
}

// putCounted is putIn that also reports whether the key was new.
func putCounted(t *Table, key string, r *Record, fresh *bool) (evicted, expired int) {
	room, err := t.Room(context.Background())
	if err != nil {
		panic(err)
	}
	defer room.End()
	for {
		var s Slot
		s.Lock(t, key)
		*fresh = !s.Exists()
		limit := s.PutIn(r, room)
		s.Unlock()
		if limit == None {
			return room.Evicted, room.Expired
		}
		for enough := false; !enough; {
			enough, _ = room.Step(1)
		}
	}
}

// Keys that are read stay while others come and go, and so does a key that is written
// again and again.
func TestACacheKeepsWhatIsUsed(t *testing.T) {
	r := kvtest.Rand(t)
	const kept, keys = 300, 1000
	record := func(key string) *Record { return New(0, key, nil, "0123456789abcdef", 0) }
	table := NewCache(Config{Now: func() int64 { return 1 }, MaxBytes: keys * record("new:0000000").Size()})
	name := func(i int) string { return fmt.Sprintf("kept%07d", i) }
	for i := range kept {
		putIn(table, name(i), record(name(i)), 1, nil)
	}
	for i := range 50_000 {
		for range 4 {
			k := name(r.IntN(kept))
			if r.IntN(2) == 0 {
				table.Get(k)
			} else {
				putIn(table, k, record(k), 1, nil)
			}
		}
		k := fmt.Sprintf("new:%07d", i)
		putIn(table, k, record(k), 1, nil)
	}
	lost := 0
	for i := range kept {
		if table.Get(name(i)) == nil {
			lost++
		}
	}
	if lost > kept/100 {
		t.Errorf("%d of %d keys that were used all the time are gone", lost, kept)
	}
	if held := table.Held(); held < keys*9/10 {
		t.Errorf("a full cache holds %d keys, there is room for %d", held, keys)
	}
}

// While a large batch is under way, a write evicts neither its records, which no reader sees
// yet, nor what they are to replace.
func TestACacheEvictsNothingOfABatchUnderWay(t *testing.T) {
	const keys = 400
	name := func(i int) string { return fmt.Sprintf("batch:%05d", i) }
	record := func(mark Mark, key, v string) *Record { return New(mark, key, nil, v, 0) }
	size := record(0, name(0), "old").Size()
	table := NewCache(Config{Now: func() int64 { return 1 }, MaxBytes: (keys + 100) * size})
	for i := range keys {
		putIn(table, name(i), record(0, name(i), "old"), 1, nil)
	}
	order := make([]string, keys)
	for i := range order {
		order[i] = name(i)
	}
	sortByHash(table, order)
	hashes := make([]uint64, keys)
	for i, k := range order {
		hashes[i] = table.Hash(k)
	}
	b, err := table.Begin(context.Background(), hashes, func(i int) string { return order[i] }, true)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < keys; {
		if i, err = b.Install(i, 1, func(k int, _ *Record) (*Record, error) { return record(b.Mark(k), order[k], "new"), nil }); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2000 {
		k := fmt.Sprintf("other%06d", i)
		putIn(table, k, record(0, k, "v"), 1, nil)
	}
	for i := range keys {
		if r := table.Get(name(i)); r == nil || r.Value() != "old" {
			t.Fatalf("%s holds %v before the batch is committed", name(i), r)
		}
	}
	if limit := b.Commit(nil); limit != None {
		t.Fatalf("the batch meets limit %d", limit)
	}
	b.End()
	for i := range keys {
		if r := table.Get(name(i)); r == nil || r.Value() != "new" {
			t.Fatalf("%s holds %v after the batch", name(i), r)
		}
	}
	if err := table.Check(); err != nil {
		t.Error(err)
	}
}

// A rebuild of a shard, as when it grows, keeps what is known of the use of its keys.
func TestARebuildKeepsWhatWasUsed(t *testing.T) {
	table := NewCache(Config{Now: func() int64 { return 1 }, MaxBytes: 1 << 20})
	for i := range 500 {
		k := fmt.Sprint(i)
		putIn(table, k, New(0, k, nil, "v", 0), 1, nil)
		if i%3 == 0 {
			table.Get(k)
		}
	}
	for i := range table.shards {
		s := &table.shards[i]
		table.rebuild(s, s.live*4)
	}
	for i := range 500 {
		k := fmt.Sprint(i)
		hash := table.Hash(k)
		if used := table.shard(hash).find(hash, k).clearUsed(); used != (i%3 == 0) {
			t.Errorf("key %d: used is %v", i, used)
		}
	}
}

func TestTheQueueOfArrivalsIsInOrderAndShrinks(t *testing.T) {
	r := kvtest.Rand(t)
	var q ring
	next, first := uint64(0), uint64(0)
	for range 20_000 {
		if r.IntN(5) < 3 {
			q.push(next)
			next++
		} else if h, ok := q.pop(); ok != (first < next) || ok && h != first {
			t.Fatalf("pop returns %d, %v; want %d", h, ok, first)
		} else if ok {
			first++
		}
	}
	for first < next {
		if h, _ := q.pop(); h != first {
			t.Fatalf("pop returns %d, want %d", h, first)
		}
		first++
	}
	if len(q.hashes) > 4*leastRing {
		t.Errorf("an empty queue has memory for %d", len(q.hashes))
	}
}

func sortByHash(t *Table, keys []string) {
	slices.SortFunc(keys, func(a, b string) int { return cmp.Compare(t.Hash(a), t.Hash(b)) })
}
