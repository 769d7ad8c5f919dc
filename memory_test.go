package extlibs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// newTestMemory returns an in-memory store of the bubble it is called in.
func newTestMemory(t *testing.T, opts ...Option) *memory {
	m := newMemory(newOptions(opts))
	t.Cleanup(func() { m.Close() })
	return m
}

func (m *memory) mustApply(t *testing.T, op Op) Result {
	t.Helper()
	r, err := m.Apply(t.Context(), op)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// held is the number of keys that take up room, live or not.
func (m *memory) held() int { return len(m.state.Load().table.records()) }

// records returns all records of a table that nobody writes to.
func (t *table) records() (records []*record) {
	for i := range t.shards {
		if groups := t.shards[i].groups.Load(); groups != nil {
			for j := range *groups {
				for k := range (*groups)[j].slots {
					if r := (*groups)[j].slots[k].Load(); r != nil {
						records = append(records, r)
					}
				}
			}
		}
	}
	return records
}

func (m *memory) mustLen(t *testing.T) int {
	t.Helper()
	n, err := m.Len(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLenIsExactBeforeAndAfterEachSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestMemory(t, SweepInterval(time.Second))
		const keys = 2000
		for i := range keys {
			m.mustApply(t, Op{Kind: OpSet, Key: fmt.Sprint(i), Value: encodeInt(1), TTL: time.Duration(i+1) * 10 * time.Millisecond})
		}
		for passed := 0; passed < keys; passed += 30 {
			if n := m.mustLen(t); n != keys-passed {
				t.Fatalf("after %d ms Len is %d, want %d", passed*10, n, keys-passed)
			}
			if held := m.held(); held < keys-passed {
				t.Fatalf("after %d ms only %d keys are held", passed*10, held)
			}
			time.Sleep(300 * time.Millisecond)
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := statsOf(t, m); m.held() != 0 || s.Bytes != 0 || s.Expired != keys {
			t.Errorf("%d keys are held, stats are %+v", m.held(), s)
		}
	})
}

func TestExpiredKeysAreRemovedWithinTheSweepInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestMemory(t, SweepInterval(time.Minute))
		m.mustApply(t, Op{Kind: OpSet, Key: "late", Value: encodeInt(1), TTL: time.Hour})
		m.mustApply(t, Op{Kind: OpSet, Key: "soon", Value: encodeInt(1), TTL: time.Second})
		m.mustApply(t, Op{Kind: OpSet, Key: "soon after", Value: encodeInt(1), TTL: 2 * time.Second})
		time.Sleep(time.Second)
		synctest.Wait()
		if n := m.mustLen(t); n != 2 || m.held() != 2 {
			t.Errorf("after the first deadline Len is %d with %d keys held, and no sweep was before", n, m.held())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := m.mustLen(t); n != 1 || m.held() != 2 {
			t.Errorf("at the second deadline Len is %d with %d keys held", n, m.held())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if m.held() != 1 {
			t.Errorf("a minute later %d keys are held", m.held())
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if m.held() != 0 {
			t.Errorf("in the end %d keys are held", m.held())
		}
		// The timer was not lost with the last key.
		m.mustApply(t, Op{Kind: OpSet, Key: "again", Value: encodeInt(1), TTL: time.Second})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if m.held() != 0 {
			t.Error("a key that came after an empty time is still held")
		}
	})
}

func TestAKeyThatIsStoredAgainWhileItIsSweptStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestMemory(t, SweepInterval(time.Millisecond))
		const keys = 3000
		for round := range 5 {
			for i := range keys {
				m.mustApply(t, Op{Kind: OpSet, Key: fmt.Sprint(i), Value: encodeInt(0), TTL: time.Second})
			}
			time.Sleep(time.Second + time.Millisecond) // the sweep begins now
			var wg sync.WaitGroup
			for worker := range 3 {
				wg.Go(func() {
					for i := keys - 1 - worker; i >= 0; i -= 3 {
						m.Apply(context.Background(), Op{Kind: OpSet, Key: fmt.Sprint(i), Value: encodeInt(1)})
					}
				})
			}
			wg.Wait()
			time.Sleep(time.Second)
			synctest.Wait()
			if n := m.mustLen(t); n != keys || m.held() != keys {
				t.Fatalf("round %d: Len is %d with %d keys held, want %d", round, n, m.held(), keys)
			}
		}
	})
}

func TestAClosedStoreHasNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(newOptions(nil))
		m.mustApply(t, Op{Kind: OpSet, Key: "k", Value: encodeInt(1), TTL: time.Second})
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		// A sweep that still comes would find no state to sweep, and panic.
		time.Sleep(time.Hour)
		synctest.Wait()
		if m.sweep.timer.Stop() {
			t.Error("the timer was still set")
		}
	})
}

func TestAStoreInMemoryIgnoresJumpsOfTheWallClock(t *testing.T) {
	// time.Now carries a monotonic reading; a base that lost it would not.
	if m := newTestMemory(t); !strings.Contains(m.base.String(), " m=") {
		t.Errorf("the base %v has no monotonic reading", m.base)
	}
}

func TestMemoryIsBoundedByMaxMemoryBytes(t *testing.T) {
	const limit = 100_000
	m := newTestMemory(t, MaxMemoryBytes(limit))
	value := encodeGoMust(t, strings.Repeat("x", 1000))
	stored := 0
	var err error
	for ; err == nil && stored < limit; stored++ {
		_, err = m.Apply(t.Context(), Op{Kind: OpAdd, Key: fmt.Sprint(stored), Value: value})
	}
	stored--
	if !errors.Is(err, ErrFull) || stored < 80 || stored > 100 {
		t.Fatalf("%d keys of 1000 bytes fit into %d bytes, then: %v", stored, limit, err)
	}
	before := statsOf(t, m).Bytes
	if before > limit {
		t.Errorf("%d bytes are counted", before)
	}
	large := encodeGoMust(t, strings.Repeat("x", 50_000))
	for name, ops := range map[string][]Op{
		"a larger value": {{Kind: OpSet, Key: "0", Value: large}},
		"a batch":        {{Kind: OpDelete, Key: "1"}, {Kind: OpSet, Key: "0", Value: large}},
		"a swap":         {{Kind: OpSwap, Key: "0", Old: value, Value: large}},
	} {
		if _, err := m.ApplyMany(t.Context(), ops); !errors.Is(err, ErrFull) {
			t.Errorf("%s: %v, want ErrFull", name, err)
		}
	}
	if n := m.mustLen(t); n != stored || statsOf(t, m).Bytes != before {
		t.Errorf("after failures Len is %d and %d bytes are counted, want %d and %d", n, statsOf(t, m).Bytes, stored, before)
	}
	// Reads, smaller values and removals go on, and make room.
	m.mustApply(t, Op{Kind: OpSet, Key: "0", Value: encodeInt(1)})
	for i := range stored {
		m.mustApply(t, Op{Kind: OpDelete, Key: fmt.Sprint(i)})
	}
	if bytes := statsOf(t, m).Bytes; bytes != 0 {
		t.Errorf("an empty store counts %d bytes", bytes)
	}
	m.mustApply(t, Op{Kind: OpSet, Key: "0", Value: large})
	if err := m.Clear(t.Context()); err != nil || statsOf(t, m).Bytes != 0 {
		t.Errorf("a cleared store counts %d bytes, %v", statsOf(t, m).Bytes, err)
	}
}

func encodeGoMust(t testing.TB, v any) Value {
	t.Helper()
	e, err := Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestBytesAreCountedRightUnderConcurrentWrites(t *testing.T) {
	m := newTestMemory(t)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				key := fmt.Sprint((i * (worker + 3)) % 50)
				kind := []OpKind{OpSet, OpAdd, OpDelete}[(i+worker)%3]
				m.Apply(context.Background(), Op{Kind: kind, Key: key, Value: encodeInt(int64(i) * 1000)})
			}
		})
	}
	wg.Wait()
	want := int64(0)
	for _, r := range m.state.Load().table.records() {
		want += r.size()
	}
	if got := statsOf(t, m).Bytes; got != want {
		t.Errorf("%d bytes are counted, want %d", got, want)
	}
	if keys := m.state.Load().keys.Load(); int(keys) != m.held() {
		t.Errorf("%d keys are counted, want %d", keys, m.held())
	}
}

func statsOf(t testing.TB, s StatsReporter) Stats {
	t.Helper()
	stats, err := s.Stats(context.Background())
	if err != nil {
		t.Errorf("Stats: %v", err)
	}
	return stats
}
