package diskstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

func TestATallyCountsWhatItHolds(t *testing.T) {
	r := kvtest.Rand(t)
	for range kvtest.Sized(50, 500, 5000) {
		var c tally
		states := map[string]boltfile.State{}
		random := func() int64 { return int64(1 + r.IntN(50)) }
		for range 200 {
			key := fmt.Sprint(r.IntN(60))
			if old, ok := states[key]; ok {
				c.remove(key, old)
				delete(states, key)
			} else {
				states[key] = boltfile.State{Exists: true, Deadline: random() * int64(r.IntN(2))}
				c.add(key, states[key])
			}
			if r.IntN(3) > 0 {
				continue
			}
			now, want := random(), int64(0)
			var part partTally
			for _, s := range states {
				part.add(s)
				if s.Live(now) {
					want++
				}
			}
			part.sort()
			if got, inPart := c.live(now), part.live(now); got != want || inPart != want {
				t.Fatalf("at %d: %d and %d live states, want %d", now, got, inPart, want)
			}
		}
	}
}

// Keys that have expired and wait for a sweep, and keys that a sweep has removed from the
// memtable but not from the file, cost a count of live keys nothing after the first one.
func TestACountOfLiveKeysDoesNotWalkTheExpiredOnes(t *testing.T) {
	const keys = 4000
	now := time.Now()
	d := opened(t, storeName(t), func(o *Options) { o.Now = func() time.Time { return now } }, logBytes(4<<20), interval(time.Minute))
	for from := 0; from < keys; from += 500 {
		err := d.Write(context.Background(), func(p *Plan) error {
			var changes []Change
			for i := from; i < from+500; i++ {
				changes = append(changes, Change{Key: fmt.Sprintf("%05d", i)})
			}
			err := p.Read(changes, false, nil)
			for i := range changes {
				changes[i].Changed = true
				changes[i].Next = boltfile.State{Exists: true, Value: "v", Deadline: now.Add(time.Second).UnixNano()}
			}
			return cmp.Or(err, p.Make(changes))
		})
		if err != nil {
			t.Fatal(err)
		}
		if from == keys/2 { // one half is in the file, the other in a memtable
			w, err := d.lockFile(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			err = w.checkpoint(false)
			w.unlock()
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	// walked is how many deadlines counts have visited in the memtables.
	walked := func() (n int64) {
		d.visible.locked(func() {
			for m := range d.visible.tables.each {
				n += m.own.expired.walked + m.hidden.expired.walked
			}
		})
		return n
	}
	now = now.Add(2 * time.Second)
	for i := range 1000 {
		err := d.Write(context.Background(), func(p *Plan) error {
			live, err := p.Live()
			if want := int64(i); live != want {
				t.Fatalf("%d live keys, want %d", live, want)
			}
			return errors.Join(err, makeState(p, fmt.Sprint("live ", i), boltfile.State{Exists: true, Value: "v"}))
		})
		if err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 { // a step of the sweep
			if _, _, err := d.RemoveExpired(context.Background(), now, 300); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := walked(); n > 2*keys {
		t.Errorf("1,000 counts visited %d deadlines of %d keys", n, keys)
	}
}
