package main

import (
	"strings"
	"time"

	"github.com/puzpuzpuz/xsync/v4"
	"github.com/tidwall/buntdb"
	bolt "go.etcd.io/bbolt"
)

func clearRows() []row {
	return []row{
		{"clear/memory", "clear of a million keys in memory", clearMemory},
		{"clear/disk", "clear of a million keys on disk", clearDisk},
	}
}

// once measures what can be done only once to a store: each round makes all of
// them again, one after the other.
type once struct {
	name  string
	setUp func() (act func(), tearDown func())
}

func (s *suite) onceEach(baseline string, all ...once) map[string]line {
	samples := map[string][]float64{}
	for round := range s.fewRounds {
		for _, c := range all {
			if !s.wants(c.name) || round > 0 && !strings.HasPrefix(c.name, "kv ") && c.name != baseline {
				continue // filling the peers takes long, and one round shows what they do
			}
			act, tearDown := c.setUp()
			heap() // the collector must not run for the fill while we measure
			began := time.Now()
			act()
			samples[c.name] = append(samples[c.name], float64(time.Since(began)))
			tearDown()
		}
	}
	lines := map[string]line{}
	for _, c := range all {
		if len(samples[c.name]) == 0 {
			continue
		}
		l := line{store: c.name, unit: duration, stat: summarize(samples[c.name]), allocs: -1}
		if base := samples[baseline]; len(base) > 0 {
			l.ratio = medianRatio(samples[c.name], base)
		}
		s.add(l)
		lines[c.name] = l
	}
	return lines
}

func clearMemory(s *suite) {
	filled := func(c store) {
		for i := range s.million {
			c.set(pointKey(i), text16(i))
		}
	}
	nothing := func() {}
	lines := s.onceEach(ours,
		once{ours, func() (func(), func()) {
			kv := newKVMemory()
			filled(kv)
			return func() { must(kv.h.Clear(background)) }, kv.close
		}},
		once{"buntdb", func() (func(), func()) {
			db := newBunt(":memory:")
			filled(db)
			return func() { must(db.Update(func(tx *buntdb.Tx) error { return tx.DeleteAll() })) }, func() { must(db.Close()) }
		}},
		once{"map + RWMutex, new map", func() (func(), func()) {
			m := newLockedMap[any]()
			filled(anyMap{m})
			return func() {
				m.mu.Lock()
				m.m = map[string]any{}
				m.mu.Unlock()
			}, nothing
		}},
		once{"xsync map", func() (func(), func()) {
			m := xsync.NewMap[string, any]()
			filled(xsyncMap{m})
			return m.Clear, nothing
		}},
		once{"otter", func() (func(), func()) {
			c := newOtter[any]()
			filled(otterCache{c})
			return c.InvalidateAll, nothing
		}},
		once{"go-cache", func() (func(), func()) {
			c := newGoCache(0)
			filled(goCache{c})
			return c.Flush, nothing
		}},
	)
	s.atMost("clear of a million in memory", 0.1e6, lines[ours].stat.median, duration)
}

func clearDisk(s *suite) {
	files := newMillionFiles(s)
	clear := func(open func(path string) kvDisk, inUse bool) func() (func(), func()) {
		return func() (func(), func()) {
			kv := open(files.copyOf(s, oursBolt))
			if inUse {
				kv.set("beside", 0) // the first write makes the log
			}
			return func() { must(kv.h.Clear(background)) }, kv.close
		}
	}
	durable := func(path string) kvDisk { return openKV(path) }
	lines := s.onceEach(oursBolt,
		once{oursBolt, clear(durable, true)},
		once{oursBolt + ", the first write since it was opened", clear(durable, false)},
		once{oursInterval, clear(openKVInterval, true)},
		once{rawBolt, func() (func(), func()) {
			db := openBolt(files.copyOf(s, rawBolt))
			return func() {
				must(db.Update(func(tx *bolt.Tx) error {
					if err := tx.DeleteBucket(boltBucket); err != nil {
						return err
					}
					_, err := tx.CreateBucket(boltBucket)
					return err
				}))
			}, db.close
		}},
		once{badgerName, func() (func(), func()) {
			db := openBadger(files.copyOf(s, badgerName))
			return func() { must(db.DropAll()) }, db.close
		}},
	)
	s.atMost("clear of a million on bolt", 10e6, lines[oursBolt].stat.median, duration)
}
