package main

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/puzpuzpuz/xsync/v4"
	"github.com/scriptling-kv/extlibs"
	"github.com/tidwall/buntdb"
	bolt "go.etcd.io/bbolt"
)

func scanRows() []row {
	var rows []row
	for _, n := range fullSize.steps { // both rows of a size use the same stores
		rows = append(rows, row{
			name:  fmt.Sprintf("keys/prefix/%d", n),
			title: fmt.Sprintf("keys with a prefix, 100 matches of %d keys", n),
			run:   func(s *suite) { prefixKeys(s, n) },
		}, row{
			name:  fmt.Sprintf("keys/suffix/%d", n),
			title: fmt.Sprintf("keys with a suffix, 100 matches of %d keys", n),
			run:   func(s *suite) { suffixKeys(s, n) },
		})
	}
	return append(rows,
		row{"keys/flat", "keys with a prefix, 100 matches, as the store grows", prefixFlat},
		row{"keys/stall", "worst get and set while another caller runs keys with a suffix", scanStall})
}

// scaled is n, or what a smoke run has in its place.
func (s *suite) scaled(n int) int { return min(n, s.million) }

func fillScan(c store, n int) {
	keys, values := make([]string, n), make([]any, n)
	for i := range keys {
		keys[i], values[i] = scanKey(i, n), text16(i)
	}
	fillPoints(c, keys, values)
}

func kvKeys(kv kvStore, pattern string) func() []string {
	return func() []string {
		return must1(kv.h.Keys(background, extlibs.ListOptions{Pattern: pattern}))
	}
}

func buntKeys(db buntStore, pattern string) func() []string {
	return func() (found []string) {
		must(db.View(func(tx *buntdb.Tx) error {
			return tx.AscendKeys(pattern, func(key, _ string) bool {
				found = append(found, key)
				return true
			})
		}))
		return found
	}
}

// mapKeys is what a map without order has to do.
func mapKeys(each func(func(key string)), match func(key string) bool) func() []string {
	return func() (found []string) {
		each(func(key string) {
			if match(key) {
				found = append(found, key)
			}
		})
		slices.Sort(found)
		return found
	}
}

// scanner is a contender of the scan rows, once for each kind of pattern.
type scanner struct {
	name           string
	prefix, suffix func() []string
}

// scanStores are the scanners of one size.
type scanStores struct {
	n     int
	all   []scanner
	close func() // nil: there are none
}

func (s *scanStores) end() {
	if s.close != nil {
		s.close()
	}
	*s = scanStores{}
}

// scanners returns filled stores. They stay open for the next row.
func scanners(s *suite, n int) []scanner {
	if s.scans.close == nil || s.scans.n != n {
		s.scans.end()
		s.scans.n = n
		s.scans.all, s.scans.close = newScanners(s, n)
	}
	return s.scans.all
}

func newScanners(s *suite, n int) ([]scanner, func()) {
	hasPrefix := func(key string) bool { return strings.HasPrefix(key, scanPrefix) }
	hasSuffix := func(key string) bool { return strings.HasSuffix(key, scanSuffix) }
	prefix, suffix := scanPrefix+"*", "*"+scanSuffix

	kv, disk := newKVMemory(), openKV(s.path("kv"))
	bunt, plain, hash := newBunt(":memory:"), newLockedMap[any](), xsync.NewMap[string, any]()
	cached, ottered := newGoCache(0), newOtter[any]()
	bbolt, bdb := openBolt(s.path("bbolt")), openBadger(s.path("badger"))
	for _, c := range []store{kv, disk, bunt, anyMap{plain}, xsyncMap{hash}, goCache{cached}, otterCache{ottered}, bbolt, bdb} {
		fillScan(c, n)
	}
	eachPlain := func(f func(string)) {
		plain.mu.RLock()
		defer plain.mu.RUnlock()
		for key := range plain.m {
			f(key)
		}
	}
	eachHash := func(f func(string)) { hash.Range(func(key string, _ any) bool { f(key); return true }) }
	eachCached := func(f func(string)) {
		for key := range cached.Items() {
			f(key)
		}
	}
	eachOttered := func(f func(string)) {
		for key := range ottered.Keys() {
			f(key)
		}
	}
	all := []scanner{
		{ours, kvKeys(kv, prefix), kvKeys(kv, suffix)},
		{oursBolt, kvKeys(disk.kvStore, prefix), kvKeys(disk.kvStore, suffix)},
		{"buntdb", buntKeys(bunt, prefix), buntKeys(bunt, suffix)},
		{baselineMap, mapKeys(eachPlain, hasPrefix), mapKeys(eachPlain, hasSuffix)},
		{"xsync map", mapKeys(eachHash, hasPrefix), mapKeys(eachHash, hasSuffix)},
		{"otter", mapKeys(eachOttered, hasPrefix), mapKeys(eachOttered, hasSuffix)},
		{"go-cache", mapKeys(eachCached, hasPrefix), mapKeys(eachCached, hasSuffix)},
		{rawBolt, boltKeys(bbolt, scanPrefix, nil), boltKeys(bbolt, "", hasSuffix)},
		{badgerName, badgerKeys(bdb, scanPrefix, nil), badgerKeys(bdb, "", hasSuffix)},
	}
	return all, func() {
		kv.close()
		disk.close()
		must(bunt.Close())
		bbolt.close()
		bdb.close()
	}
}

func boltKeys(db boltDB, prefix string, match func(string) bool) func() []string {
	return func() (found []string) {
		must(db.View(func(tx *bolt.Tx) error {
			c := tx.Bucket(boltBucket).Cursor()
			for k, _ := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); k, _ = c.Next() {
				if key := string(k); match == nil || match(key) {
					found = append(found, key)
				}
			}
			return nil
		}))
		return found
	}
}

func badgerKeys(db badgerDB, prefix string, match func(string) bool) func() []string {
	return func() (found []string) {
		must(db.View(func(tx *badger.Txn) error {
			it := tx.NewIterator(badger.IteratorOptions{Prefix: []byte(prefix)})
			defer it.Close()
			for it.Rewind(); it.Valid(); it.Next() {
				if key := string(it.Item().Key()); match == nil || match(key) {
					found = append(found, key)
				}
			}
			return nil
		}))
		return found
	}
}

// scanSubject checks what it measures: a fast scan that finds nothing is none.
func scanSubject(name string, want int, scan func() []string) subject {
	return subject{name: name, run: func(n int) {
		for range n {
			if got := len(scan()); got != want {
				panic(fmt.Sprintf("%s found %d keys of %d", name, got, want))
			}
		}
	}}
}

// scanTurns measures in few rounds what takes half a second each time in some stores.
func (s *suite) scanTurns(n int, subjects []subject) map[string]line {
	rounds := s.rounds
	defer func() { s.rounds = rounds }()
	if n >= s.million {
		s.rounds = s.fewRounds
	}
	return s.turns(ours, s.slice, subjects...)
}

func prefixKeys(s *suite, n int) {
	var subjects []subject
	for _, c := range scanners(s, s.scaled(n)) {
		subjects = append(subjects, scanSubject(c.name, scanFound, c.prefix))
	}
	lines := s.scanTurns(n, subjects)
	s.atMost(fmt.Sprintf("keys with a prefix, 100 matches of %d", n), 20e3, lines[ours].stat.median, duration)
}

func suffixKeys(s *suite, n int) {
	n = s.scaled(n)
	var subjects []subject
	for _, c := range scanners(s, n) {
		subjects = append(subjects, scanSubject(c.name, n/max(1, n/100), c.suffix))
	}
	lines := s.scanTurns(n, subjects)
	if n == s.million {
		s.atMost(fmt.Sprintf("keys with a suffix at %d keys", n), 50e6, lines[ours].stat.median, duration)
	}
}

// prefixFlat measures stores of all sizes, alternating between them.
func prefixFlat(s *suite) {
	s.scans.end() // their memory
	var subjects []subject
	name := func(n int) string { return fmt.Sprintf("%s, %d keys", ours, n) }
	for _, n := range s.steps {
		kv := newKVMemory()
		defer kv.close()
		fillScan(kv, n)
		subjects = append(subjects, scanSubject(name(n), scanFound, kvKeys(kv, scanPrefix+"*")))
	}
	lines := s.turns(name(s.steps[0]), s.slice, subjects...)
	s.atMost("keys with a prefix, largest store against the smallest", 3, lines[name(s.steps[len(s.steps)-1])].ratio, ratio)
}

// scanStall looks for the longest get and the longest set of a new key, with and
// without a caller that scans the whole store over and over. The difference is
// what scans do to others; the processor's scheduler is in both.
func scanStall(s *suite) {
	kv := newKVMemory()
	defer kv.close()
	fillScan(kv, s.million)
	scan := kvKeys(kv, "*"+scanSuffix)
	worst := map[string][]float64{}
	serial := 0
	watch := func(state string) {
		for range s.fewRounds {
			runtime.GC()
			gets, sets := worstGetAndSet(kv, s.million, &serial, 25*s.slice)
			worst["get, "+state] = append(worst["get, "+state], gets)
			worst["set, "+state] = append(worst["set, "+state], sets)
		}
	}
	watch("alone")
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			scan()
		}
	})
	watch("beside scans")
	stop.Store(true)
	wg.Wait()
	for _, name := range []string{"get, alone", "get, beside scans", "set, alone", "set, beside scans"} {
		s.add(line{store: name, unit: duration, stat: summarize(worst[name]), allocs: -1, note: "worst of a second, in each of some seconds"})
	}
	s.atMost("others not blocked meanwhile: worst get", 1e6, summarize(worst["get, beside scans"]).median, duration)
	s.atMost("others not blocked meanwhile: worst set", 5e6, summarize(worst["set, beside scans"]).median, duration)
}

func worstGetAndSet(kv kvStore, n int, serial *int, long time.Duration) (get, set float64) {
	order := shuffled(n)
	end := time.Now().Add(long)
	for i := 0; time.Now().Before(end); i++ {
		began := time.Now()
		lookUp(kv, scanKey(order[i%n], n))
		looked := time.Now()
		*serial++
		kv.set(fmt.Sprintf("new:%d", *serial), "x")
		get = max(get, float64(looked.Sub(began)))
		set = max(set, float64(time.Since(looked)))
		time.Sleep(50 * time.Microsecond) // a caller among others, not a load
	}
	return get, cmp.Or(set, 1)
}
