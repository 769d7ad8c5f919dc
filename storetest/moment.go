package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs"
)

var momentTests = []test{
	{"keys of one batch with one ttl have one deadline", oneDeadline},
	{"keys with one deadline expire at once for LoadMany, Len and a page of Scan", expireAtOnce},
}

const (
	momentKeys = 48
	momentTick = 25 * time.Microsecond // by which a clock that can be moved runs on
	momentTTL  = 20 * time.Millisecond
)

// running moves the clock on while fn runs, as real time does: a call that looks
// at it twice then sees two times.
func (s *suite) running(fn func()) {
	var done atomic.Bool
	var wg sync.WaitGroup
	if s.advance != nil {
		wg.Go(func() {
			for !done.Load() {
				s.advance(momentTick)
			}
		})
	}
	fn()
	done.Store(true)
	wg.Wait()
}

// momentBatch sets all keys of these tests with one ttl.
func momentBatch(value int, ttl time.Duration) (ops []extlibs.Op, keys []string) {
	for i := range momentKeys {
		key := fmt.Sprint("moment", i*7919)
		keys = append(keys, key)
		ops = append(ops, extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: encode(value), TTL: ttl})
	}
	return ops, keys
}

// wantOneMoment checks that entries are those of one batch, seen at one time.
func (s *suite) wantOneMoment(call string, entries []extlibs.Entry, complete bool) {
	if n := len(entries); complete && n != 0 && n != momentKeys {
		s.Errorf("%s returned %d of %d keys that expire at once", call, n, momentKeys)
	}
	for _, e := range entries {
		if e.TTL != entries[0].TTL || e.Value != entries[0].Value {
			s.Errorf("%s says that %s with %s has %v left and %s with %s has %v: they were set in one batch with one ttl",
				call, name(entries[0].Key), show(entries[0].Value), entries[0].TTL, name(e.Key), show(e.Value), e.TTL)
			return
		}
	}
}

func (s *suite) lookAtMoment(keys []string) {
	entries, err := s.store.LoadMany(ctx, keys, extlibs.NeedValue|extlibs.NeedTTL)
	if err != nil {
		s.Errorf("LoadMany: %v", err)
	}
	s.wantOneMoment("LoadMany", entries, true)
	page, err := s.store.Scan(ctx, extlibs.Range{Prefix: "moment", Need: extlibs.NeedValue | extlibs.NeedTTL})
	if err != nil {
		s.Errorf("Scan: %v", err)
	}
	s.wantOneMoment("a page of Scan", page.Entries, !page.More)
	n, err := s.store.Len(ctx)
	if err != nil || n != 0 && n != momentKeys {
		s.Errorf("Len is %d (%v) where %d keys expire at once", n, err, momentKeys)
	}
}

func oneDeadline(s *suite) {
	const batches = 20
	s.running(func() {
		for i := range batches {
			ops, keys := momentBatch(i, 24*time.Hour)
			s.applyMany(ops...)
			s.lookAtMoment(keys)
		}
	})
}

func expireAtOnce(s *suite) {
	batches := times(60)
	s.running(func() {
		_, keys := momentBatch(0, momentTTL)
		while(func() {
			for i := range batches {
				ops, _ := momentBatch(i, momentTTL)
				s.tryMany(ops...)
				// Until they have expired, and a little longer.
				for end := time.Now().Add(time.Second); time.Now().Before(end); {
					if n, err := s.store.Len(ctx); n == 0 || err != nil {
						break
					}
				}
			}
		}, func() {
			if !s.Failed() {
				s.lookAtMoment(keys)
			}
		})
	})
}
