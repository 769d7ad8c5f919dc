package extlibs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
func (m *memory) held() int { return m.state.Load().Held() }

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
	// Reads, smaller values and removals continue, and make room.
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
	if err := m.state.Load().Check(); err != nil {
		t.Error(err)
	}
}

// steppedClock moves on by a nanosecond at each look.
func steppedClock() Option {
	base, looks := time.Now(), atomic.Int64{}
	return Clock(func() time.Time { return base.Add(time.Duration(looks.Add(1))) })
}

func TestAllKeysOfOneCallAreJudgedByOneReadingOfTheClock(t *testing.T) {
	t.Parallel()
	const keys = 300
	all := make([]string, keys)
	ops := make([]Op, keys)
	for i := range ops {
		all[i] = fmt.Sprintf("key:%04d", i)
		ops[i] = Op{Kind: OpSet, Key: all[i], Value: encodeInt(1), TTL: 10 * keys}
	}
	// The clock ticks at each look: two looks in one call would find two answers
	// at one of these moments.
	m := newTestMemory(t, steppedClock())
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		if _, err := m.ApplyMany(t.Context(), ops); err != nil {
			t.Fatal(err)
		}
		seen := map[int]bool{}
		for alive := true; alive; {
			for name, look := range map[string]func() (int, error){
				"get_many": func() (int, error) { e, err := m.LoadMany(t.Context(), all, NeedAll); return len(e), err },
				"a page": func() (int, error) {
					p, err := m.Scan(t.Context(), Range{Prefix: "key:", Need: NeedAll})
					return len(p.Entries), err
				},
				"names": func() (int, error) { p, err := m.Scan(t.Context(), Range{}); return len(p.Entries), err },
				"a match": func() (int, error) {
					p, err := m.Scan(t.Context(), Range{Match: func(string) bool { return true }})
					return len(p.Entries), err
				},
				"count": func() (int, error) { return m.Len(t.Context()) },
			} {
				n, err := look()
				if err != nil || n != 0 && n != keys {
					t.Fatalf("round %d: %s sees %d of %d keys, %v", round, name, n, keys, err)
				}
				seen[n] = true
				alive = n > 0
			}
		}
		if !seen[keys] {
			t.Fatalf("round %d: no reader saw the keys", round)
		}
	}
}

func TestABatchWithTTLAppearsAndExpiresAsOneForConcurrentReaders(t *testing.T) {
	m := newTestMemory(t)
	keys := []string{"a", "b", "c", "d", "e"}
	var ops []Op
	for _, key := range keys {
		ops = append(ops, Op{Kind: OpSet, Key: key, Value: encodeInt(1), TTL: 200 * time.Microsecond})
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !done.Load() {
				if e, err := m.LoadMany(t.Context(), keys, NeedAll); err != nil || len(e) != 0 && len(e) != len(keys) {
					t.Errorf("get_many sees %d of %d keys, %v", len(e), len(keys), err)
					return
				}
				if p, err := m.Scan(t.Context(), Range{Need: NeedAll}); err != nil || len(p.Entries) != 0 && len(p.Entries) != len(keys) {
					t.Errorf("a page has %d of %d keys, %v", len(p.Entries), len(keys), err)
					return
				}
				if n, err := m.Len(t.Context()); err != nil || n != 0 && n != len(keys) {
					t.Errorf("count is %d of %d, %v", n, len(keys), err)
					return
				}
			}
		})
	}
	for began := time.Now(); time.Since(began) < 200*time.Millisecond; time.Sleep(300 * time.Microsecond) {
		if _, err := m.ApplyMany(t.Context(), ops); err != nil {
			t.Fatal(err)
		}
	}
	done.Store(true)
	readers.Wait()
}

// A reader that has found a record and is held up until its deadline must not take
// the key for absent: it was renewed before.
func TestAKeyThatIsRenewedInTimeIsNeverAbsent(t *testing.T) {
	var now atomic.Int64
	var renew func()
	base := time.Now()
	m := newTestMemory(t, Clock(func() time.Time {
		if f := renew; f != nil { // the reader looks at the clock, and is held up
			renew = nil
			f()
			now.Add(int64(2 * time.Second))
		}
		return base.Add(time.Duration(now.Load()))
	}))
	set := Op{Kind: OpSet, Key: "k", Value: encodeInt(1), TTL: time.Second}
	longer := set
	longer.TTL = time.Hour
	m.mustApply(t, set)
	renew = func() { m.mustApply(t, longer) }
	if e, err := m.Load(t.Context(), "k", NeedAll); err != nil || e.TTL < time.Minute {
		t.Errorf("the key has %v left, %v", e.TTL, err)
	}
}

func TestTheLimitOfBytesRefusesNothingThatFits(t *testing.T) {
	t.Parallel()
	// Writers of a large value, which never fits, and of small ones, which do:
	// what the large ones try must not hinder the small ones.
	m := newTestMemory(t, MaxMemoryBytes(100_000))
	large := encodeGoMust(t, strings.Repeat("x", 99_000))
	m.mustApply(t, Op{Kind: OpSet, Key: "base", Value: encodeGoMust(t, strings.Repeat("x", 10_000))})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				if w < 2 {
					if _, err := m.Apply(context.Background(), Op{Kind: OpSet, Key: "large", Value: large}); !errors.Is(err, ErrFull) {
						t.Errorf("the large value: %v", err)
					}
					continue
				}
				key := fmt.Sprint(w, i%20)
				if _, err := m.Apply(context.Background(), Op{Kind: OpSet, Key: key, Value: encodeInt(int64(i) << (i % 40))}); err != nil {
					t.Errorf("a small value: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestMatchingOfAPageHoldsUpNobodyAndObeysItsContext(t *testing.T) {
	m := newTestMemory(t)
	for i := range 100 {
		m.mustApply(t, Op{Kind: OpSet, Key: fmt.Sprintf("%03d", i), Value: encodeInt(1), TTL: time.Hour})
	}
	for _, need := range []Need{0, NeedAll} {
		ctx, cancel := context.WithCancel(t.Context())
		looked := 0
		_, err := m.Scan(ctx, Range{Need: need, Match: func(key string) bool {
			// A write of a new key, of this one and of a deadline: none of them waits.
			m.mustApply(t, Op{Kind: OpSet, Key: "new" + key, Value: encodeInt(2)})
			m.mustApply(t, Op{Kind: OpExpire, Key: key, TTL: time.Minute})
			if looked++; looked == 10 {
				cancel()
			}
			return true
		}})
		if !errors.Is(err, context.Canceled) || looked > 20 {
			t.Errorf("%d keys were visited, %v", looked, err)
		}
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

// A key that comes while a page is matched, and one that goes, are on the page or
// not as at one moment.
func TestAPageIsOfOneMomentWhateverComesWhileItIsMatched(t *testing.T) {
	for name, need := range map[string]Need{"keys": 0, "entries": NeedAll} {
		for _, comes := range []bool{false, true} {
			m := newTestMemory(t)
			for i := range 100 {
				m.mustApply(t, Op{Kind: OpSet, Key: fmt.Sprintf("%03d", i), Value: encodeInt(1), TTL: time.Hour})
			}
			done := false
			page, err := m.Scan(t.Context(), Range{Need: need, Match: func(key string) bool {
				if !done {
					done = true
					if comes {
						m.mustApply(t, Op{Kind: OpSet, Key: "050x", Value: encodeInt(1)})
					}
					m.mustApply(t, Op{Kind: OpDelete, Key: "070"}) // after the other
				}
				return key != "000"
			}})
			var keys []string
			for _, e := range page.Entries {
				keys = append(keys, e.Key)
			}
			_, came := slices.BinarySearch(keys, "050x")
			_, stayed := slices.BinarySearch(keys, "070")
			want := 98
			if comes {
				want = 99
			}
			if err != nil || !stayed && (came != comes || len(keys) != want) {
				t.Errorf("%s: 050x is there: %v, 070: %v, %d in all, %v", name, came, stayed, len(keys), err)
			}
		}
	}
}
