package main

import "fmt"

const rawSyncName = "raw fdatasync"

// The syncs that a durable set may cost, by the number of writers.
var durableGoals = map[int]float64{1: 1.1, 8: 0.25, 64: 0.05}

const intervalGoal = 0.02 // syncs of a set in interval mode

func durableRows() []row {
	var rows []row
	for _, g := range goroutines {
		rows = append(rows, row{
			name:  fmt.Sprintf("durable/set/%d", g),
			title: fmt.Sprintf("durable set of a 16-byte string, %d writers, in raw fdatasyncs", g),
			run:   func(s *suite) { durableSets(s, g) },
		})
	}
	return append(rows, row{
		name:  "durable/set_many",
		title: "set_many of 1,000 keys on disk against 1,000 durable sets",
		run:   setMany,
	})
}

func durableSets(s *suite, g int) {
	kv, fast := openKV(s.path("kv")), openKVInterval(s.path("kv"))
	bbolt, badger, bunt := openBolt(s.path("bbolt")), openBadger(s.path("badger")), newBunt(s.path("bunt"))
	raw := openRawSync(s.path("raw"))
	defer raw.close()
	keys, values := texts(1 << 14)
	order := shuffled(len(keys))
	subjects := []subject{{name: rawSyncName, run: raw.run}}
	for _, c := range []contender{
		{oursBolt, kv, kv.close},
		{oursInterval, fast, fast.close},
		{rawBolt, bbolt, bbolt.close},
		{badgerName, badger, badger.close},
		{buntDisk, bunt, func() { must(bunt.Close()) }},
	} {
		defer c.close()
		fillPoints(c.store, keys[:len(keys)/2], values) // half of the sets meet a new key at first
		subjects = append(subjects, subject{name: c.name, note: noteCommits(c.store), run: func(n int) {
			parallel(g, n, func(_, i int) {
				at := order[i%len(order)]
				c.store.set(keys[at], values[at])
			})
		}})
	}
	durable, quick := commitsPerSet(kv), commitsPerSet(fast)
	s.turns(rawSyncName, s.diskSlice, subjects...)
	if s.wants(oursBolt) {
		s.atMost(fmt.Sprintf("syncs of a durable set, %d writers", g), durableGoals[g], durable(), count)
	}
	if s.wants(oursInterval) {
		s.atMost(fmt.Sprintf("syncs of a set in interval mode, %d writers", g), intervalGoal, quick(), count)
	}
}

// noteCommits is what does not depend on the disk.
func noteCommits(c store) func() string {
	kv, ok := c.(kvDisk)
	if !ok {
		return nil
	}
	commits := commitsPerSet(kv)
	return func() string { return count.format(commits()) + " commits per set" }
}

// commitsPerSet counts from now on.
func commitsPerSet(kv kvDisk) func() float64 {
	before := must1(kv.h.Stats(background))
	return func() float64 {
		now := must1(kv.h.Stats(background))
		return float64(now.Commits-before.Commits) / float64(max(1, now.Sets-before.Sets))
	}
}

func setMany(s *suite) {
	const n = 1000
	many := manyOf(n, "")
	one := openKV(s.path("kv"))
	defer one.close()
	all := openKV(s.path("kv"))
	defer all.close()
	bbolt := openBolt(s.path("bbolt"))
	defer bbolt.close()
	keys, values := texts(n)
	one.fill(keys, values)
	// A turn of set_many is a whole number of calls, whatever its operations say.
	calls := func(ops int) int { return (ops + n - 1) / n }
	subjects := []subject{
		// Sets are measured one by one, so that a turn needs no thousand of them.
		{name: "kv bolt, set", run: func(ops int) {
			for i := range ops {
				one.set(keys[i%n], values[i%n])
			}
		}},
		{name: "kv bolt, set_many, per key", run: func(ops int) {
			for range calls(ops) {
				must(all.h.SetMany(background, many, 0))
			}
		}},
		{name: "raw bbolt, one Update, per key", run: func(ops int) {
			for range calls(ops) {
				bbolt.fill(keys, values)
			}
		}},
	}
	lines := s.turns("kv bolt, set", s.diskSlice, subjects...)
	gain := 0.0
	if r := lines["kv bolt, set_many, per key"].ratio; r > 0 {
		gain = 1 / r
	}
	s.atLeast("set_many of 1,000 against 1,000 durable sets", 100, gain, ratio)
}
