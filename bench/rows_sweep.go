package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs"
)

const (
	sweepGoal  = 5e6 // ns: the 99th percentile of a call while keys expire
	sweepLeast = 200 // calls, where the keys are gone at once
)

func sweepRows() []row {
	return []row{{"expiry/beside", "set of a new key, get and count while a hundred thousand keys that expired at once are removed, with and without MaxKeys", besideSweep}}
}

// besideSweep fills stores to their limit with keys that expire at one moment. From then on
// each set needs the number of live keys, if there is a limit.
func besideSweep(s *suite) {
	n := s.scaled(manyKeys)
	server := redisServer()
	for _, limited := range []bool{false, true} {
		var opts []extlibs.Option
		suffix := ""
		if limited {
			opts, suffix = append(opts, extlibs.MaxKeys(n)), ", MaxKeys"
		}
		if s.wants(ours) {
			kv := kvStore{must1(extlibs.NewRegistry(opts...).Open(background, ":memory:bench"))}
			sweepOne(s, ours+suffix, kv, n)
		}
		if s.wants(oursBolt) {
			sweepOne(s, oursBolt+suffix, openKV(s.path("kv"), opts...).kvStore, n)
		}
		if server != "" && s.wants(oursRedis) {
			addr, stop := startRedis(s, server)
			kv := kvStore{must1(extlibs.NewRegistry(opts...).Open(background, "redis://"+addr+"/0/bench"))}
			sweepOne(s, oursRedis+suffix, kv, n)
			stop()
		}
	}
}

func sweepOne(s *suite, name string, kv kvStore, n int) {
	defer kv.close()
	part := max(1, n/10)
	fill := func(ttl func() time.Duration) {
		for from := 0; from < n; from += part {
			many := make(map[string]any, part)
			for i := from; i < min(from+part, n); i++ {
				many[pointKey(i)] = text16(i)
			}
			must(kv.h.SetMany(background, many, ttl()))
		}
	}
	began := time.Now()
	fill(func() time.Duration { return 0 }) // how long it takes
	deadline := time.Now().Add(3*time.Since(began) + 25*s.slice)
	fill(func() time.Duration { return max(time.Until(deadline), time.Millisecond) })
	time.Sleep(time.Until(deadline))
	for { // the deadline of a batch counts from when it is stored
		if _, ok := kv.get(pointKey(n - 1)); !ok {
			break
		}
		time.Sleep(time.Millisecond)
	}

	calls := map[string][]float64{}
	timed := func(call string, fn func()) {
		began := time.Now()
		fn()
		calls[call] = append(calls[call], float64(time.Since(began)))
	}
	expired := func() int64 { return must1(kv.h.Stats(background)).Expired }
	longest := 250 * s.slice
	if strings.HasPrefix(name, oursRedis) {
		longest = 25 * s.slice // a server does not say how many keys it has removed
	}
	for i := 0; i < sweepLeast || expired() < int64(n) && time.Since(deadline) < longest; i++ {
		key := fmt.Sprint("new:", i)
		if i == n/2 {
			break // the limit must not be reached again
		}
		timed("set", func() { kv.set(key, "x") })
		timed("get", func() { lookUp(kv, key) })
		timed("count", func() { must1(kv.h.Count(background, "*")) })
		time.Sleep(readPause)
	}
	for _, call := range []string{"set", "get", "count"} {
		took := calls[call]
		slices.Sort(took)
		p99 := took[len(took)*99/100]
		s.add(line{store: name + ", " + call, unit: duration, stat: stat{took[len(took)/2], p99, took[len(took)-1]}, allocs: -1,
			note: fmt.Sprintf("%d calls; median, p99 and longest", len(took))})
		if call != "count" {
			s.atMost("99th percentile of a "+call+" while 100,000 keys expire: "+name, sweepGoal, p99, duration)
		}
	}
}
