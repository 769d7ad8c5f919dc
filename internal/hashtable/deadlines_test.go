package hashtable

import (
	"fmt"
	"testing"
)

// Deadlines that come in their order fill their buckets. A bucket goes with its last deadline,
// also between others that are full, and sweeps still find all others.
func TestDeadlinesInOrderFillBuckets(t *testing.T) {
	const buckets = 6
	for gone := range buckets {
		table := NewTable(Config{Now: func() int64 { return 1 }})
		key := func(i int) string { return fmt.Sprintf("key:%05d", i) }
		for i := range buckets * bucketKeys {
			put(t, table, key(i), "v", int64(100+i))
		}
		if n := len(table.due.buckets); n != buckets {
			t.Fatalf("%d deadlines in their order take %d buckets, want %d", buckets*bucketKeys, n, buckets)
		}
		for i := range bucketKeys {
			var s Slot
			s.Lock(table, key(gone*bucketKeys+i))
			s.Delete()
			s.Unlock()
		}
		if n := len(table.due.buckets); n != buckets-1 {
			t.Errorf("without the deadlines of number %d there are %d buckets, want %d", gone, n, buckets-1)
		}
		put(t, table, "again", "v", int64(100+gone*bucketKeys+7))
		if err := table.Check(); err != nil {
			t.Fatal(err)
		}
		left := buckets*bucketKeys - bucketKeys + 1
		for now := int64(50); left > 0 && now < 100+buckets*bucketKeys+100; now += 101 {
			want := 0
			for i := range buckets * bucketKeys {
				if int64(100+i) > now && i/bucketKeys != gone {
					want++
				}
			}
			if int64(100+gone*bucketKeys+7) > now {
				want++
			}
			for n := table.Sweep(now); n > 0; n = table.Sweep(now) {
				left -= n
			}
			if left != want || table.Held() != want {
				t.Fatalf("at %d sweeps have left %d keys, %d are held, want %d", now, left, table.Held(), want)
			}
			if err := table.Check(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
