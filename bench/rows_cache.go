package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"
	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs"
)

const (
	oursCache  = "kv cache"
	lruCache   = "golang-lru"
	otterName  = "otter"
	redisCache = "Redis allkeys-lru"
)

// cacheRows compare hit rates: the part of the lookups that find the key. The first
// quarter of the lookups, which fills the caches, does not count.
func cacheRows() []row {
	rows := []row{}
	for i, t := range cacheTraffic(1000) {
		rows = append(rows, row{
			name:  "cache/" + strings.ReplaceAll(t.name, " ", "-"),
			title: "hit rate of a cache: " + t.title,
			run:   func(s *suite) { hitRates(s, cacheTraffic(s.million)[i]) },
		})
	}
	return rows
}

// cachePeer is a cache that takes part. access looks up keys, stores the missing
// ones, and returns how many were found.
type cachePeer struct {
	name   string
	access func(keys []string) (hits int)
	close  func()
}

func hitRates(s *suite, t traffic) {
	drawn := t.keys()
	keys := make([]string, len(drawn))
	for i, k := range drawn {
		keys[i] = fmt.Sprintf("key:%012d", k)
	}
	kinds := []func(*suite, int) cachePeer{newCachePeer, newLRUPeer, newOtterPeer}
	if t.redis {
		kinds = append(kinds, newRedisPeer)
	}
	var peers []cachePeer
	for _, newPeer := range kinds {
		if p := newPeer(s, t.capacity); p.access != nil && s.wants(p.name) {
			peers = append(peers, p)
		}
	}
	found := make([]float64, len(peers)) // no time is measured, so all run at once
	counted := keys[len(keys)/4:]
	var running sync.WaitGroup
	for i, p := range peers {
		running.Go(func() {
			p.access(keys[:len(keys)/4])
			found[i] = 100 * float64(p.access(counted)) / float64(len(counted))
			p.close()
		})
	}
	running.Wait()
	rates := map[string]float64{}
	for i, p := range peers {
		rates[p.name] = found[i]
	}
	for i, p := range peers {
		l := line{store: p.name, unit: hits, stat: stat{found[i], found[i], found[i]}, allocs: -1}
		if rates[lruCache] > 0 {
			l.ratio = l.stat.median / rates[lruCache]
		}
		s.add(l)
	}
	s.atLeast("hit rate: "+t.title+", beside an LRU", rates[lruCache], rates[oursCache], hits)
	if t.zipf {
		s.atLeast("hit rate: "+t.title+", beside otter less 3 %", rates[otterName]*0.97, rates[oursCache], hits)
	}
}

// storeMissing is access for caches in the process.
func storeMissing(get func(key string) bool, set func(key string)) func([]string) int {
	return func(keys []string) (found int) {
		for _, key := range keys {
			if get(key) {
				found++
			} else {
				set(key)
			}
		}
		return found
	}
}

func newCachePeer(_ *suite, capacity int) cachePeer {
	// What one key counts, as a store counts it.
	r := extlibs.NewRegistry()
	one := must1(r.Open(background, ":cache:one"))
	value := text16(0)
	must(one.Set(background, fmt.Sprintf("key:%012d", 0), value, 0))
	per := must1(one.Stats(background)).Bytes
	h := must1(r.OpenWith(background, ":cache:bench", extlibs.MaxCacheBytes(per*int64(capacity))))
	return cachePeer{oursCache, storeMissing(
		func(key string) bool { _, err := h.Get(background, key); return err == nil },
		func(key string) { must(h.Set(background, key, value, 0)) },
	), func() { must(r.Close()) }}
}

func newLRUPeer(_ *suite, capacity int) cachePeer {
	c := must1(lru.New[string, string](capacity))
	value := text16(0)
	return cachePeer{lruCache, storeMissing(
		func(key string) bool { _, ok := c.Get(key); return ok },
		func(key string) { c.Add(key, value) },
	), func() {}}
}

func newOtterPeer(_ *suite, capacity int) cachePeer {
	c := must1(otter.New(&otter.Options[string, string]{MaximumSize: capacity, Executor: func(f func()) { f() }}))
	value := text16(0)
	return cachePeer{otterName, storeMissing(
		func(key string) bool { _, ok := c.GetIfPresent(key); return ok },
		func(key string) { c.Set(key, value) },
	), func() {}}
}

// redisBatch is how many keys are looked up with one command. The missing ones are stored
// with one command each.
const redisBatch = 20

// newRedisPeer starts a server. Its limit of memory is set so that it holds about as many
// keys as the others, which it says nothing about: the limit includes the buffers of its
// clients, so it is corrected until the lookups count.
func newRedisPeer(s *suite, capacity int) cachePeer {
	server := redisServer()
	if server == "" || !s.wants(redisCache) {
		return cachePeer{}
	}
	addr, stop := startRedis(s, server)
	c := must1(rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true}))
	r := &redisPeer{c: c, capacity: capacity}
	r.limit = r.used()
	for i := range capacity {
		must(r.do("SET", fmt.Sprintf("key:%012d", i), text16(0)).Error())
	}
	full := r.used()
	r.perKey = max(1, (full-r.limit)/capacity)
	r.limit = full
	must(r.do("FLUSHALL").Error())
	must(r.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru").Error())
	must(r.do("CONFIG", "SET", "maxmemory", strconv.Itoa(r.limit)).Error())
	return cachePeer{redisCache, r.access, func() { c.Close(); stop() }}
}

type redisPeer struct {
	c                       rueidis.Client
	capacity, limit, perKey int // keys and bytes
	calls                   int // of access: the first one fills the server
}

func (r *redisPeer) do(args ...string) rueidis.RedisResult {
	return r.c.Do(background, r.c.B().Arbitrary(args...).Build())
}

func (r *redisPeer) used() int {
	_, text, _ := strings.Cut(must1(r.do("INFO", "memory").ToString()), "used_memory:")
	text, _, _ = strings.Cut(text, "\r\n")
	return must1(strconv.Atoi(text))
}

// correct moves the limit by what the keys that are too many, or too few, take.
func (r *redisPeer) correct() {
	keys := int(must1(r.do("DBSIZE").AsInt64()))
	r.limit += (r.capacity - keys) * r.perKey / 2
	must(r.do("CONFIG", "SET", "maxmemory", strconv.Itoa(r.limit)).Error())
}

const redisCorrections = 40

func (r *redisPeer) access(keys []string) (found int) {
	r.calls++
	every := max(redisBatch, len(keys)/redisCorrections/redisBatch*redisBatch)
	for i := 0; i < len(keys); i += redisBatch {
		batch := keys[i:min(i+redisBatch, len(keys))]
		var sets []rueidis.Completed
		for k, v := range must1(r.c.Do(background, r.c.B().Mget().Key(batch...).Build()).ToArray()) {
			if !v.IsNil() {
				found++
				continue
			}
			sets = append(sets, r.c.B().Set().Key(batch[k]).Value(text16(0)).Build())
		}
		for _, result := range r.c.DoMulti(background, sets...) {
			// Of a few keys the limit leaves no room where the server needs a buffer.
			if err := result.Error(); err != nil && !strings.HasPrefix(err.Error(), "OOM ") {
				panic(err)
			}
		}
		if r.calls == 1 && i > len(keys)/2 && i%every == 0 {
			r.correct()
		}
	}
	return found
}
