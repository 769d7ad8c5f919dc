package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/buntdb"
)

func expiryRows() []row {
	return []row{
		{"expiry/memory", "a million of two million keys expire at once", expiryMemory},
		{"expiry/disk", "a hundred thousand of two hundred thousand keys on disk expire at once", expiryDisk},
	}
}

// expirer is a store with deadlines.
type expirer struct {
	name string
	put  func(key, value string, ttl time.Duration) // ttl 0: none
	get  func(key string) bool
	gone func() int // keys that were removed because they expired
	end  func()
	poll time.Duration // how often gone may be asked without being a load itself
}

const (
	peerCleanup   = time.Second // buntdb's own interval; go-cache has no default
	expiryPatient = time.Minute // after which a row gives up
)

func expiryMemory(s *suite) {
	results := expireAll(s, s.million,
		func() expirer { kv := newKVMemory(); return kvExpirer(ours, kv, time.Millisecond) },
		func() expirer {
			c := newOtter[string]()
			puts := 0
			return expirer{name: "otter", poll: time.Millisecond,
				put: func(key, value string, ttl time.Duration) {
					puts++
					c.Set(key, value)
					if ttl > 0 {
						c.SetExpiresAfter(key, ttl)
					}
				},
				get:  func(key string) bool { _, ok := c.GetIfPresent(key); return ok },
				gone: func() int { return puts - c.EstimatedSize() },
				end:  func() { c.StopAllGoroutines() },
			}
		},
		func() expirer {
			db, puts := newBunt(":memory:"), 0
			return expirer{name: "buntdb", poll: 5 * time.Millisecond,
				put: func(key, value string, ttl time.Duration) {
					puts++
					must(db.Update(func(tx *buntdb.Tx) error {
						var o *buntdb.SetOptions
						if ttl > 0 {
							o = &buntdb.SetOptions{Expires: true, TTL: ttl}
						}
						_, _, err := tx.Set(key, value, o)
						return err
					}))
				},
				get: func(key string) bool { _, ok := db.get(key); return ok },
				gone: func() (n int) {
					must(db.View(func(tx *buntdb.Tx) error {
						left, err := tx.Len()
						n = puts - left
						return err
					}))
					return n
				},
				end: func() { must(db.Close()) },
			}
		},
		func() expirer {
			c, puts := newGoCache(peerCleanup), 0
			return expirer{name: "go-cache", poll: 5 * time.Millisecond,
				put: func(key, value string, ttl time.Duration) {
					puts++
					if ttl == 0 {
						ttl = -1
					}
					c.Set(key, value, ttl)
				},
				get:  func(key string) bool { _, ok := c.Get(key); return ok },
				gone: func() int { return puts - c.ItemCount() },
				end:  func() {},
			}
		},
	)
	mine := results[ours]
	s.atMost("a million expired keys all gone", 0.5e9, mine.gone.median, duration)
	s.atMost("longest read meanwhile", 1e6, mine.worst.median, duration)
	s.atLeast("memory of the expired keys given back", 95, mine.back.median, percent)
}

func expiryDisk(s *suite) {
	expireAll(s, s.million/10,
		func() expirer {
			kv := openKV(s.path("kv"))
			e := kvExpirer(oursBolt, kv.kvStore, 20*time.Millisecond)
			// A durable set for each key would take longer than all the rest.
			batch, ttlOf := map[string]any{}, time.Duration(0)
			flush := func() {
				must(kv.h.SetMany(background, batch, ttlOf))
				clear(batch)
			}
			e.put = func(key, value string, ttl time.Duration) {
				if len(batch) == fillBatch || ttl == 0 != (ttlOf == 0) {
					flush()
				}
				if len(batch) == 0 {
					ttlOf = ttl
				}
				batch[key] = value
			}
			get := e.get
			e.get = func(key string) bool {
				if len(batch) > 0 {
					flush()
				}
				return get(key)
			}
			return e
		})
}

func kvExpirer(name string, kv kvStore, poll time.Duration) expirer {
	return expirer{name: name, poll: poll,
		put:  func(key, value string, ttl time.Duration) { must(kv.h.Set(background, key, value, ttl)) },
		get:  func(key string) bool { _, ok := kv.get(key); return ok },
		gone: func() int { return int(must1(kv.h.Stats(background)).Expired) },
		end:  kv.close,
	}
}

// expiryResult is what one store did, over the rounds.
type expiryResult struct{ gone, calm, worst, back stat }

// expireAll has n of 2n keys of each store expire at one moment.
func expireAll(s *suite, n int, makers ...func() expirer) map[string]expiryResult {
	type samples struct{ gone, calm, worst, back []float64 }
	all := map[string]*samples{}
	var names []string
	for round := range s.fewRounds {
		for i, maker := range makers {
			if round > 0 && i > 0 {
				break // peers take long, and one round shows what they do
			}
			e := maker()
			if !s.wants(e.name) {
				e.end()
				continue
			}
			if all[e.name] == nil {
				all[e.name] = &samples{}
				names = append(names, e.name)
			}
			gone, calm, worst, back := expireOne(s, n, e)
			e.end()
			r := all[e.name]
			r.gone, r.calm = append(r.gone, gone), append(r.calm, calm)
			r.worst, r.back = append(r.worst, worst), append(r.back, back)
		}
	}
	results := map[string]expiryResult{}
	for _, name := range names {
		r := expiryResult{summarize(all[name].gone), summarize(all[name].calm), summarize(all[name].worst), summarize(all[name].back)}
		results[name] = r
		s.add(line{store: name + ", until all gone", unit: duration, stat: r.gone, allocs: -1})
		s.add(line{store: name + ", worst read before", unit: duration, stat: r.calm, allocs: -1})
		s.add(line{store: name + ", worst read meanwhile", unit: duration, stat: r.worst, allocs: -1})
		if name != oursBolt { // what is on disk gives no memory back
			s.add(line{store: name + ", memory given back", unit: percent, stat: r.back, allocs: -1})
		}
	}
	return results
}

func expireOne(s *suite, n int, e expirer) (gone, calm, worst, back float64) {
	lead := 25 * s.slice // quiet time before the deadline
	empty := heap()
	began := time.Now()
	for i := range n {
		e.put(pointKey(i), text16(i), 0)
	}
	e.get(pointKey(0))
	half := heap()
	both := time.Since(began)
	var deadline time.Time
	var full float64
	goneBefore := 0
	for wait := 3*both + 3*lead + heapRounds*heapPause; ; wait *= 2 {
		deadline = time.Now().Add(wait)
		for i := range n {
			e.put(pointKey(n+i), text16(i), max(time.Until(deadline), time.Millisecond))
		}
		e.get(pointKey(0))
		full = heap()
		left := time.Until(deadline)
		if left >= lead {
			goneBefore = e.gone()
			break
		}
		if wait > expiryPatient { // on a busy machine filling can take longer than foreseen
			panic(fmt.Sprintf("%s: filling took too long, %v left", e.name, left))
		}
	}

	r := watchReads(e, n)
	time.Sleep(time.Until(deadline) - lead)
	r.worst() // forget the pauses of the fill and the collector
	time.Sleep(time.Until(deadline))
	calm = r.worst()
	for e.gone()-goneBefore < n {
		if time.Since(deadline) > expiryPatient {
			break
		}
		time.Sleep(e.poll)
	}
	gone = float64(time.Since(deadline))
	time.Sleep(lead / 2)
	worst = r.worst()
	r.stop()
	after := heap()
	if full <= half || half <= empty {
		return gone, calm, worst, 0 // too little for a figure, as in a smoke run
	}
	return gone, calm, worst, 100 * (full - after) / (full - half)
}

// readWatch reads keys that stay, at a pace that leaves the machine idle, and
// remembers the longest read.
type readWatch struct {
	mu   sync.Mutex
	max  time.Duration
	done chan struct{}
	wg   sync.WaitGroup
}

const readPause = 20 * time.Microsecond

func watchReads(e expirer, n int) *readWatch {
	r := &readWatch{done: make(chan struct{})}
	keys := make([]string, min(n, 4096))
	for i := range keys {
		keys[i] = pointKey(i * (n / len(keys)))
	}
	r.wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-r.done:
				return
			default:
			}
			began := time.Now()
			if !e.get(keys[i%len(keys)]) {
				panic(e.name + " lost a key that has no deadline")
			}
			took := time.Since(began)
			r.mu.Lock()
			r.max = max(r.max, took)
			r.mu.Unlock()
			time.Sleep(readPause)
		}
	})
	return r
}

// worst returns the longest read since it was last asked.
func (r *readWatch) worst() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.max
	r.max = 0
	return float64(w)
}

func (r *readWatch) stop() {
	close(r.done)
	r.wg.Wait()
}
