package hashtable

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestACacheHasOneRoomAtATime(t *testing.T) {
	table := NewCache(Config{Now: func() int64 { return 1 }, MaxBytes: 10_000})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		room := table.TryRoom()
		if room == nil {
			t.Fatal("there is no room, and TryRoom gives none")
		}
		if second := table.TryRoom(); second != nil {
			t.Fatal("TryRoom gives a second room")
		}
		if second, err := table.Room(ctx); !errors.Is(err, context.Canceled) || second != nil {
			t.Fatalf("Room gives %v, %v beside another room", second, err)
		}
		room.End()
		room, err := table.Room(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if second := table.TryRoom(); second != nil {
			t.Fatal("TryRoom gives a room beside that of Room")
		}
		room.End()
	}
}

// What a room has freed is of no use to other writes until it ends, and is theirs then.
func TestARoomKeepsWhatItFreed(t *testing.T) {
	for _, c := range []Config{{MaxBytes: 10_000}, {MaxKeys: 50}, {MaxBytes: 10_000, MaxKeys: 50}} {
		c.Now = func() int64 { return 1 }
		table := NewCache(c)
		value := strings.Repeat("v", 100)
		try := func(key string, room *Room) Limit {
			var s Slot
			s.Lock(table, key)
			defer s.Unlock()
			return s.PutIn(New(0, key, nil, value, 0), room)
		}
		n, limit := 0, None
		for limit == None {
			limit = try(fmt.Sprintf("key:%04d", n), nil)
			n++
		}
		room := table.TryRoom()
		try("wanted:00", room)
		for enough := false; !enough; {
			enough, _ = room.Step(1)
		}
		freed := room.Evicted
		if freed == 0 {
			t.Errorf("%+v: there is enough room without evictions", c)
		}
		if got := try("other:000", nil); got != limit {
			t.Errorf("%+v: another write meets limit %d beside a room, want %d", c, got, limit)
		}
		room.End() // without its write
		if held := table.Held(); held != n-1-freed {
			t.Errorf("%+v: %d keys are held, %d of %d were evicted", c, held, freed, n-1)
		}
		if err := table.Check(); err != nil {
			t.Errorf("%+v: after the end of a room: %v", c, err)
		}
		for i := range freed {
			if got := try(fmt.Sprintf("next:%03d", i), nil); got != None {
				t.Errorf("%+v: of %d keys that a room freed and left, number %d meets limit %d", c, freed, i, got)
			}
		}
	}
}

// Evictions take neither the key of the write they are for, nor a key of its batch, also if
// nothing else is left.
func TestEvictionsSpareTheKeysOfTheirWrite(t *testing.T) {
	const keys = 40
	name := func(i int) string { return fmt.Sprintf("key:%04d", i) }
	value := strings.Repeat("v", 100)
	maxBytes := keys * New(0, name(0), nil, value, 0).Size()
	for written := range keys {
		table := NewCache(Config{Now: func() int64 { return 1 }, MaxBytes: maxBytes})
		for i := range keys {
			put(t, table, name(i), value, 0)
			table.Get(name(i)) // so that the hand passes the keys of the write twice
		}
		other := name((written + 7) % keys)
		big := New(0, name(written), nil, "", 0)
		big = New(0, name(written), nil, strings.Repeat("b", int(maxBytes-2*big.Size())), 0)
		changes := []Change{{name(written), big}, {other, New(0, other, nil, "", 0)}}
		room := table.TryRoom()
		room.Removed = func(key string) {
			if key == name(written) || key == other {
				t.Errorf("%q is evicted for a write of it", key)
			}
		}
		for tries := 0; ; tries++ {
			b := table.LockAll(2, func(i int) string { return changes[i].Key })
			limit := b.Commit(changes, room)
			b.Unlock()
			if limit == None {
				break
			}
			if tries == keys {
				t.Fatalf("after %d tries there is not enough room for %q", tries, name(written))
			}
			for enough, more := false, true; !enough; {
				if enough, more = room.Step(1); !more {
					t.Fatalf("nothing is left to evict, and there is not enough room for %q", name(written))
				}
			}
		}
		room.End()
		if room.Evicted != keys-2 || table.Held() != 2 || table.Bytes() != maxBytes {
			t.Errorf("%d keys were evicted, %d with %d bytes are left; want %d, 2, %d", room.Evicted, table.Held(), table.Bytes(), keys-2, maxBytes)
		}
		if err := table.Check(); err != nil {
			t.Error(err)
		}
	}
}
