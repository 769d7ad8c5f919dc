package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// The rows of -scale measure one large store at a time. They take minutes for each million
// keys, so that they are no part of a usual run.

const (
	scaleBatch  = 5_000   // keys of one set_many
	scaleSample = 1 << 17 // keys that are read and overwritten
	scaleSlow   = 5 * time.Millisecond
	scaleWindow = 16  // inserts whose processor time is measured at once
	scaleSets   = 200 // durable ones
	scalePage   = 100
)

func scaleRows(n int) []row {
	rows := []row{
		{"scale/memory", fmt.Sprintf("%d keys in memory, loaded in random order, key of 12 bytes, value of 16", n), func(s *suite) { scaleMemory(s, n) }},
		{"scale/peers", "the same in a map under a RWMutex, in otter, and in caches without pointers", func(s *suite) { scalePeers(s, n) }},
		{"scale/disk", "the same on disk, loaded with set_many of 5,000", func(s *suite) { scaleDisk(s, n) }},
	}
	if server := redisServer(); server != "" {
		rows = append(rows, row{"scale/server", fmt.Sprintf("redis/stall with %d keys", n), func(s *suite) { stallsAt(s, server, n) }})
	}
	return rows
}

// figure adds one figure of a large store.
func (s *suite) figure(store, what string, u unit, v float64, note string) {
	s.add(line{store: store + ", " + what, unit: u, stat: stat{v, v, v}, allocs: -1, note: note})
}

// since is what one of n operations took.
func since(began time.Time, n int) float64 { return float64(time.Since(began)) / float64(max(1, n)) }

// scaleLoad stores n keys in random order, and returns the bytes that they take.
func scaleLoad(s *suite, name string, order []int, set func(key string, value any)) float64 {
	before := heap()
	runtime.LockOSThread() // for threadTime
	defer runtime.UnlockOSThread()
	began, used := time.Now(), processorTime()
	last, longest := began, time.Duration(0)
	thread, busiest, slow := threadTime(), time.Duration(0), 0
	for at, i := range order {
		set(pointKey(i), text16(i))
		now := time.Now()
		longest = max(longest, now.Sub(last))
		last = now
		if at%scaleWindow == 0 {
			now := threadTime()
			took := now - thread
			if thread = now; took > scaleSlow {
				slow++
			}
			busiest = max(busiest, took)
		}
	}
	s.figure(name, "load, per key", duration, since(began, len(order)), "")
	s.figure(name, "its processor time, per key", duration, float64(processorTime()-used)/float64(len(order)), "collections of garbage included")
	s.figure(name, "longest insert", duration, float64(longest), "waits for the processor included")
	s.figure(name, "processor time of the longest", duration, float64(busiest), fmt.Sprintf("of %d in a row; %d took more than %v", scaleWindow, slow, scaleSlow))
	return (heap() - before) / float64(len(order))
}

// scalePoints reads and overwrites some keys in random order.
func scalePoints(s *suite, name string, n int, c store, setAlso bool) {
	order := shuffled(n)[:min(n, scaleSample)]
	asked := contiguousKeys(order)
	var gets, sets []float64
	for range s.rounds {
		began := time.Now()
		for _, key := range asked {
			lookUp(c, key)
		}
		gets = append(gets, since(began, len(asked)))
		if !setAlso {
			continue
		}
		began = time.Now()
		for i, key := range asked {
			c.set(key, text16(i))
		}
		sets = append(sets, since(began, len(asked)))
	}
	s.add(line{store: name + ", get", unit: duration, stat: summarize(gets), allocs: -1})
	if setAlso {
		s.add(line{store: name + ", set of an existing key", unit: duration, stat: summarize(sets), allocs: -1})
	}
}

// scalePages lists pages of keys under a prefix.
func scalePages(s *suite, name string, n int, kv kvStore) {
	var took []float64
	for i := range 100 * s.rounds {
		prefix := pointKey(i * 7919 % n)
		prefix = prefix[:len(prefix)-2]
		began := time.Now()
		must1(kv.h.Keys(background, extlibs.ListOptions{Prefix: prefix, Limit: scalePage}))
		took = append(took, float64(time.Since(began)))
	}
	s.add(line{store: name + ", page of 100 keys under a prefix", unit: duration, stat: summarize(took), allocs: -1})
}

// scaleCollect measures a collection of garbage. Go's own figures count how long its workers
// run by the clock, which on a busy machine is several times what they use.
func scaleCollect(s *suite, name string) {
	var took, used, paused []float64
	for range s.fewRounds {
		runtime.GC()
		var stats debug.GCStats
		before, began := processorTime(), time.Now()
		runtime.GC()
		took, used = append(took, float64(time.Since(began))), append(used, float64(processorTime()-before))
		debug.ReadGCStats(&stats)
		paused = append(paused, float64(stats.Pause[0]))
	}
	s.add(line{store: name + ", a collection", unit: duration, stat: summarize(took), allocs: -1})
	s.add(line{store: name + ", its processor time", unit: duration, stat: summarize(used), allocs: -1})
	s.add(line{store: name + ", its last pause", unit: duration, stat: summarize(paused), allocs: -1})
}

// timed is how long an act takes.
func (s *suite) timed(name, what string, act func()) {
	began := time.Now()
	act()
	s.figure(name, what, duration, since(began, 1), "")
}

// awaitExpired waits until a store has removed n expired keys.
func awaitExpired(kv kvStore, n int) {
	for end := time.Now().Add(expiryPatient); must1(kv.h.Stats(background)).Expired < int64(n) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func scaleMemory(s *suite, n int) {
	if !s.wants(ours) {
		return
	}
	kv := newKVMemory(extlibs.MaxMemoryBytes(0))
	defer kv.close()
	order := shuffled(n)
	s.figure(ours, "memory per key", bytes, scaleLoad(s, ours, order, kv.set), "")
	scalePoints(s, ours, n, kv, true)
	scalePages(s, ours, n, kv)
	scaleCollect(s, ours)
	half := order[:n/2]
	deadline := time.Now().Add(time.Duration(10 * int(time.Microsecond) * len(half)))
	for _, i := range half {
		must(kv.h.Set(background, pointKey(i), text16(i), max(time.Until(deadline), time.Millisecond)))
	}
	time.Sleep(time.Until(deadline))
	began := time.Now()
	awaitExpired(kv, len(half))
	s.figure(ours, "sweep of half of the keys, per key", duration, since(began, len(half)), "")
	s.timed(ours, "clear", func() { must(kv.h.Clear(background)) })
}

// scalePeers measures the others in memory, one at a time. Bigcache and freecache store bytes,
// of which a get makes a string. They get the memory that they need to lose no key.
func scalePeers(s *suite, n int) {
	for _, peer := range []struct {
		name string
		open func() store
	}{
		{baselineMap, func() store { return anyMap{newLockedMap[any]()} }},
		{"otter", func() store { return otterCache{newOtter[any]()} }},
		{"bigcache", func() store { return newBigCache() }},
		{"freecache", func() store { return newFreeCache(n) }},
	} {
		if !s.wants(peer.name) {
			continue
		}
		c := peer.open()
		s.figure(peer.name, "memory per key", bytes, scaleLoad(s, peer.name, shuffled(n), c.set), "")
		scalePoints(s, peer.name, n, c, true)
		scaleCollect(s, peer.name)
		if c, ok := c.(io.Closer); ok {
			must(c.Close())
		}
		runtime.KeepAlive(c)
	}
}

func scaleDisk(s *suite, n int) {
	if !s.wants(oursBolt) {
		return
	}
	path := s.path("kv")
	kv := openKV(path)
	began, used, longest := time.Now(), processorTime(), time.Duration(0)
	for batch := range slices.Chunk(shuffled(n), scaleBatch) {
		many := make(map[string]any, len(batch))
		for _, i := range batch {
			many[pointKey(i)] = text16(i)
		}
		started := time.Now()
		must(kv.h.SetMany(background, many, 0))
		longest = max(longest, time.Since(started))
	}
	s.figure(oursBolt, "load, per key", duration, since(began, n), "")
	s.figure(oursBolt, "its processor time, per key", duration, float64(processorTime()-used)/float64(n), "checkpoints included")
	s.figure(oursBolt, "longest set_many", duration, float64(longest), "")
	scalePoints(s, oursBolt, n, kv, false)
	scalePages(s, oursBolt, n, kv.kvStore)
	var sets []float64
	for i := range min(n, scaleSets) {
		began := time.Now()
		kv.set(pointKey(i*7919%n), "x")
		sets = append(sets, float64(time.Since(began)))
	}
	s.add(line{store: oursBolt + ", durable set of an existing key", unit: duration, stat: summarize(sets), allocs: -1})
	scaleCollect(s, oursBolt)
	size := func(path string) float64 { return float64(must1(os.Stat(path)).Size()) }
	copied := filepath.Join(filepath.Dir(path), "backup")
	s.timed(oursBolt, "backup", func() { must(kv.h.BackupFile(background, copied)) })
	s.timed(oursBolt, "close", kv.close)
	s.figure(oursBolt, "file, per key", bytes, size(path)/float64(n), "")
	s.timed(oursBolt, "open", func() { kv = openKV(path) })
	s.timed(oursBolt, "compaction", func() { must(kv.h.Compact(background)) })
	s.figure(oursBolt, "compacted file, per key", bytes, size(path)/float64(n), "")
	expires := manyOf(s.scaled(manyKeys), "old:")
	must(kv.h.SetMany(background, expires, time.Second))
	began = time.Now().Add(time.Second)
	time.Sleep(time.Until(began))
	awaitExpired(kv.kvStore, len(expires))
	s.figure(oursBolt, "sweep of 100,000 keys, per key", duration, since(began, len(expires)), "")
	s.timed(oursBolt, "clear", func() { must(kv.h.Clear(background)) })
	kv.close()
}
