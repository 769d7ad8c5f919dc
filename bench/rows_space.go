package main

import (
	"time"

	gocache "github.com/patrickmn/go-cache"
	"github.com/puzpuzpuz/xsync/v4"
	"github.com/tidwall/buntdb"
)

func spaceRows() []row {
	return []row{
		{"space/plain", "bytes per key of a million keys: key of 12 bytes, value of 16, no ttl", func(s *suite) { space(s, 0) }},
		{"space/ttl", "the same, each key with a different ttl", func(s *suite) { space(s, time.Hour) }},
	}
}

// space fills one store after the other. Each key and value has separate
// memory, as if it had come from a script; generic stores hold strings, not any.
func space(s *suite, ttl time.Duration) {
	ttlOf := func(i int) time.Duration {
		if ttl == 0 {
			return 0
		}
		return ttl + time.Duration(i)*time.Microsecond
	}
	mine := 0.0
	measure := func(name, note string, make func() (put func(i int), keep any)) {
		if !s.wants(name) {
			return
		}
		before := heap()
		put, keep := make()
		for i := range s.million {
			put(i)
		}
		per := max(0, heap()-before) / float64(s.million)
		if c, ok := keep.(interface{ close() }); ok {
			c.close()
		}
		s.add(line{store: name, unit: bytes, stat: stat{per, per, per}, allocs: -1, note: note})
		if name == ours {
			mine = per
		}
	}
	measure(ours, "ordered", func() (func(int), any) {
		kv := newKVMemory()
		return func(i int) { must(kv.h.Set(background, pointKey(i), text16(i), ttlOf(i))) }, kv
	})
	measure("buntdb", "ordered", func() (func(int), any) {
		db := newBunt(":memory:")
		return func(i int) {
			must(db.Update(func(tx *buntdb.Tx) error {
				_, _, err := tx.Set(pointKey(i), text16(i), &buntdb.SetOptions{Expires: ttl > 0, TTL: ttlOf(i)})
				return err
			}))
		}, db
	})
	measure("otter", "no order", func() (func(int), any) {
		c := newOtter[string]()
		return func(i int) {
			c.Set(pointKey(i), text16(i))
			if ttl > 0 {
				c.SetExpiresAfter(pointKey(i), ttlOf(i))
			}
		}, c
	})
	measure("go-cache", "no order", func() (func(int), any) {
		c := newGoCache(0)
		return func(i int) {
			d := ttlOf(i)
			if d == 0 {
				d = gocache.NoExpiration
			}
			c.Set(pointKey(i), text16(i), d)
		}, c
	})
	if ttl == 0 {
		measure(baselineMap, "no order, no ttl", func() (func(int), any) {
			m := newLockedMap[string]()
			return func(i int) { m.put(pointKey(i), text16(i)) }, m
		})
		measure("xsync map", "no order, no ttl", func() (func(int), any) {
			m := xsync.NewMap[string, string]()
			return func(i int) { m.Store(pointKey(i), text16(i)) }, m
		})
	}
	what, limit := "memory per key, no key with a ttl", 100.0
	if ttl > 0 {
		what, limit = "memory per key, every key with a ttl", 110
	}
	s.atMost(what, limit, mine, bytes)
}
