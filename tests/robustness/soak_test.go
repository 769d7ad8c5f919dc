package robustness

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"go.uber.org/goleak"
)

// soak is one store under everything at once. Each worker has separate keys,
// whose content it knows exactly; all of them share a counter and pairs of keys
// that only ever change together; meanwhile the store is closed, compacted and
// copied.
type soak struct {
	t     *testing.T
	r     *extlibs.Registry
	name  string
	until time.Time
	calls atomic.Int64
	sum   atomic.Int64 // what the counter must be
}

// try makes a call until the store is not closed by someone else meanwhile.
func (s *soak) try(what string, call func(h *extlibs.Handle) error) error {
	for {
		h, err := s.r.Open(ctx, s.name)
		if err == nil {
			err = call(h)
		}
		s.calls.Add(1)
		switch {
		case errors.Is(err, extlibs.ErrClosed):
			continue
		case err != nil && !errors.Is(err, extlibs.ErrNotFound):
			s.t.Errorf("%s: %v", what, err)
		}
		return err
	}
}

func (s *soak) worker(w int, random *rand.Rand) {
	type entry struct {
		value   extlibs.Value
		expires time.Time // zero: never
	}
	model := map[string]entry{}
	for i := 0; time.Now().Before(s.until) && !s.t.Failed(); i++ {
		key := fmt.Sprintf("own:%d:%d", w, random.IntN(50))
		value, _ := extlibs.Encode(fmt.Sprint(w, i, make([]byte, random.IntN(200))))
		switch random.IntN(8) {
		case 0, 1:
			e := entry{value: value}
			var ttl time.Duration
			if random.IntN(2) == 0 {
				ttl = time.Duration(1+random.IntN(50)) * time.Millisecond
			}
			if s.try("set", func(h *extlibs.Handle) error {
				_, err := h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: value, TTL: ttl})
				return err
			}) == nil {
				if ttl > 0 {
					e.expires = time.Now().Add(ttl)
				}
				model[key] = e
			}
		case 2:
			s.try("delete", func(h *extlibs.Handle) error {
				_, err := h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpDelete, Key: key})
				return err
			})
			delete(model, key)
		case 3, 4:
			var got extlibs.Entry
			began := time.Now()
			err := s.try("get", func(h *extlibs.Handle) (err error) { got, err = h.Store().Load(ctx, key, extlibs.NeedAll); return err })
			want, there := model[key]
			expired := there && !want.expires.IsZero() && began.After(want.expires)
			switch {
			case err == nil && (!there || got.Value != want.value):
				s.t.Errorf("get(%s) gave %q, want %q (%v)", key, got.Value, want.value, there)
			case err != nil && there && want.expires.IsZero():
				s.t.Errorf("%s is lost: %v", key, err)
			case err == nil && expired:
				s.t.Errorf("%s is there after its time", key)
			}
		case 5:
			if s.try("incr", func(h *extlibs.Handle) error {
				one, _ := extlibs.Encode(1)
				_, err := h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpIncr, Key: "counter", Value: one})
				return err
			}) == nil {
				s.sum.Add(1)
			}
		case 6:
			pair := random.IntN(5)
			s.try("set_many", func(h *extlibs.Handle) error {
				_, err := h.Store().ApplyMany(ctx, []extlibs.Op{
					{Kind: extlibs.OpSet, Key: fmt.Sprintf("pair:a:%d", pair), Value: value},
					{Kind: extlibs.OpSet, Key: fmt.Sprintf("pair:b:%d", pair), Value: value},
				})
				return err
			})
		case 7:
			pair := random.IntN(5)
			s.try("get_many", func(h *extlibs.Handle) error {
				entries, err := h.Store().LoadMany(ctx, []string{fmt.Sprintf("pair:a:%d", pair), fmt.Sprintf("pair:b:%d", pair)}, extlibs.NeedAll)
				if len(entries) == 1 || len(entries) == 2 && entries[0].Value != entries[1].Value {
					s.t.Errorf("half of a batch is there: %q", entries)
				}
				return err
			})
		}
	}
}

// disturb does what happens to stores as a whole.
func (s *soak) disturb(random *rand.Rand, persistent bool) {
	for time.Now().Before(s.until) && !s.t.Failed() {
		switch n := random.IntN(6); {
		case n < 3:
			s.try("scan", func(h *extlibs.Handle) error {
				last, after := "", ""
				for {
					page, err := h.Store().Scan(ctx, extlibs.Range{Prefix: "own:", After: after, Limit: 20})
					if err != nil {
						return err
					}
					for _, e := range page.Entries {
						if e.Key <= last {
							s.t.Errorf("scan gave %q after %q", e.Key, last)
						}
						last = e.Key
					}
					if !page.More {
						return nil
					}
					after = page.Next
				}
			})
		case !persistent:
		case n == 3:
			s.try("close", (*extlibs.Handle).Close)
		case n == 4:
			s.try("backup", func(h *extlibs.Handle) error { return h.Backup(ctx, io.Discard) })
		case n == 5:
			s.try("compact", func(h *extlibs.Handle) error { return h.Compact(ctx) })
		}
	}
}

func TestSoak(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, kind := range []string{"memory", "bolt", "interval"} {
		t.Run(kind, func(t *testing.T) {
			r, name := newStore(t, kind)
			milliseconds := kvtest.Sized(200, 1000, 600_000)
			s := &soak{t: t, r: r, name: name, until: time.Now().Add(time.Duration(milliseconds) * time.Millisecond)}
			var all sync.WaitGroup
			for w := range 6 {
				all.Go(func() { s.worker(w, kvtest.Rand(t, uint64(w))) })
			}
			all.Go(func() { s.disturb(kvtest.Rand(t, 100), stores[kind].inFile) })
			all.Wait()
			want, _ := extlibs.Encode(int(s.sum.Load()))
			check := func(when string) {
				s.try("get", func(h *extlibs.Handle) error {
					e, err := h.Store().Load(ctx, "counter", extlibs.NeedAll)
					if s.sum.Load() > 0 && (err != nil || e.Value != want) {
						t.Errorf("%s the counter is not %d (%v)", when, s.sum.Load(), err)
					}
					return err
				})
			}
			check("at the end")
			if stores[kind].inFile {
				s.try("close", (*extlibs.Handle).Close)
				checkFile(t, name)
				check("after opening again")
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			t.Logf("%d calls", s.calls.Load())
		})
	}
}
