package main

import (
	"fmt"
	"strings"

	"github.com/puzpuzpuz/xsync/v4"
	"github.com/scriptling-kv/extlibs"
)

// contender is a store that takes part in point rows.
type contender struct {
	name  string
	store store
	close func()
}

const baselineMap = "map + RWMutex"

var goroutines = []int{1, 8, 64}

// workload is one kind of traffic on a filled store.
type workload struct {
	name string
	op   func(c store, i int, key string, value any)
}

var workloads = []workload{
	{"get", func(c store, _ int, key string, _ any) { lookUp(c, key) }},
	{"set", func(c store, _ int, key string, value any) { c.set(key, value) }},
	{"mix", func(c store, i int, key string, value any) {
		if i%10 == 0 {
			c.set(key, value)
		} else {
			lookUp(c, key)
		}
	}},
}

func lookUp(c store, key string) {
	if _, ok := c.get(key); !ok {
		panic("lost key " + key)
	}
}

func memoryPointRows() []row {
	rows := []row{}
	for _, w := range workloads {
		for _, g := range goroutines {
			rows = append(rows, row{
				name:  fmt.Sprintf("memory/string/%s/%d", w.name, g),
				title: fmt.Sprintf("%s of a 16-byte string in memory, %d goroutines", w.name, g),
				run:   func(s *suite) { memoryStrings(s, w, g) },
			})
		}
	}
	for _, w := range workloads {
		for _, g := range goroutines {
			rows = append(rows, row{
				name:  fmt.Sprintf("memory/dict/%s/%d", w.name, g),
				title: fmt.Sprintf("%s of a dict of five fields in memory, %d goroutines", w.name, g),
				run:   func(s *suite) { memoryDicts(s, w, g) },
			})
		}
	}
	rows = append(rows, row{
		name:  "memory/string/get/1k",
		title: "get of a 16-byte string in memory, 1,024 keys, which the processor's cache holds",
		run: func(s *suite) {
			points := s.points
			s.points = 1 << 10
			memoryStrings(s, workloads[0], 1)
			s.points = points
		},
	})
	return append(rows, row{
		name:  "memory/growth",
		title: "get of a 16-byte string in memory, as the store grows",
		run:   memoryGrowth,
	})
}

func memoryStrings(s *suite, w workload, g int) {
	kv := newKVMemory()
	encoded := kvEncoded{newKVMemory().h, must1(extlibs.Encode(text16(0)))}
	all := []contender{
		{ours, kv, kv.close},
		{oursEncoded, encoded, func() { must(encoded.h.Close()) }},
		{baselineMap, anyMap{newLockedMap[any]()}, nil},
		{"xsync map", xsyncMap{xsync.NewMap[string, any]()}, nil},
		{"otter", otterCache{newOtter[any]()}, nil},
		{"go-cache", goCache{newGoCache(0)}, nil},
	}
	bunt := newBunt(":memory:")
	all = append(all, contender{"buntdb", bunt, func() { must(bunt.Close()) }})
	lines := points(s, baselineMap, all, w, g, func(i int) any { return text16(i) })

	mine := lines[ours]
	switch {
	case s.row.name == "memory/string/get/1k":
		s.atMost("scalar get of 1,024 keys, against a map under RWMutex", 1.1, mine.ratio, ratio)
	case g == 1 && w.name == "get":
		s.atMost("scalar get, against a map under RWMutex", 0.8, mine.ratio, ratio)
		s.atMost("allocations of a scalar get", 0, mine.allocs, count)
	case g == 1 && w.name == "set":
		s.atMost("scalar set, against a map under RWMutex", 1.4, mine.ratio, ratio)
		s.atMost("allocations of a scalar set", 1, mine.allocs, count)
	case g == 8 && w.name == "mix":
		s.atMost("90/10 mix on 8 goroutines, against a map under RWMutex", 0.5, mine.ratio, ratio)
	}
}

const packedMap = "msgpack in map + RWMutex"

func memoryDicts(s *suite, w workload, g int) {
	kv, bunt := newKVMemory(), newBunt(":memory:")
	all := []contender{
		{ours, kv, kv.close},
		{packedMap, packed{store: anyMap{newLockedMap[any]()}}, nil},
		{"msgpack in xsync map", packed{store: xsyncMap{xsync.NewMap[string, any]()}}, nil},
		{"msgpack in otter", packed{store: otterCache{newOtter[any]()}}, nil},
		{"msgpack in go-cache", packed{store: goCache{newGoCache(0)}}, nil},
		{"msgpack in buntdb", packed{store: bunt, text: true}, func() { must(bunt.Close()) }},
	}
	lines := points(s, packedMap, all, w, g, func(i int) any { return smallDict(i) })
	switch {
	case g == 1 && w.name == "get":
		s.atMost("small dict get, against msgpack in a map", 0.45, lines[ours].ratio, ratio)
	case g == 1 && w.name == "set":
		s.atMost("small dict set, against msgpack in a map", 0.5, lines[ours].ratio, ratio)
	}
}

// points fills every store with the same keys and measures one workload.
func points(s *suite, baseline string, all []contender, w workload, g int, value func(i int) any) map[string]line {
	slice := s.slice
	if baseline == rawBolt && w.name != "get" { // only writes wait for the disk
		slice = s.diskSlice
	}
	order := shuffled(s.points)
	asked := [2][]string{contiguousKeys(order), contiguousKeys(order)}
	values := make([]any, s.points)
	for i, at := range order {
		values[i] = value(at)
	}
	var subjects []subject
	for _, c := range all {
		if c.close != nil {
			defer c.close()
		}
		if !s.wants(c.name) {
			continue
		}
		fillPoints(c.store, ownKeys(s.points), values)
		begin := 0
		subjects = append(subjects, subject{name: c.name, run: func(n int) {
			parallel(g, n, func(_, i int) {
				i += begin
				at := i & (s.points - 1)
				w.op(c.store, i, asked[i/s.points&1][at], values[at])
			})
			begin += n
		}})
	}
	return s.turns(baseline, slice, subjects...)
}

// contiguousKeys are the keys that callers ask for, in the order in which they
// do. They lie side by side, so that what is measured is how the store finds
// them, not how we do. They are not the memory that the store was filled with,
// and there are two sets of them that take turns: a store that kept the caller's
// string would otherwise find it equal without comparing it, which happens to no
// program that reads its keys from somewhere.
func contiguousKeys(order []int) []string {
	var b strings.Builder
	for _, at := range order {
		b.WriteString(pointKey(at))
	}
	text, size := b.String(), b.Len()/len(order)
	keys := make([]string, len(order))
	for i := range keys {
		keys[i] = text[i*size : (i+1)*size]
	}
	return keys
}

// ownKeys are copies of the keys, in order.
func ownKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = pointKey(i)
	}
	return keys
}

// bulkFiller is a store for which a set each would take too long.
type bulkFiller interface {
	fill(keys []string, values []any)
}

func fillPoints(c store, keys []string, values []any) {
	if b, ok := c.(bulkFiller); ok {
		b.fill(keys, values)
		return
	}
	for i := range keys {
		c.set(keys[i], values[i])
	}
}

// memoryGrowth compares one store with itself: a get should cost the same
// whatever the store holds, but for the processor's caches.
func memoryGrowth(s *suite) {
	var subjects []subject
	for _, n := range s.steps {
		kv, plain := newKVMemory(), anyMap{newLockedMap[any]()}
		defer kv.close()
		for i, key := range ownKeys(n) {
			kv.set(key, text16(i))
			plain.set(key, text16(i))
		}
		asked := contiguousKeys(shuffled(n))
		for _, c := range []contender{{ours, kv, nil}, {baselineMap, plain, nil}} {
			subjects = append(subjects, subject{name: fmt.Sprintf("%s, %d keys", c.name, n), run: func(ops int) {
				for i := range ops {
					lookUp(c.store, asked[i%n])
				}
			}})
		}
	}
	s.turns(fmt.Sprintf("%s, %d keys", ours, s.steps[0]), s.slice, subjects...)
}
