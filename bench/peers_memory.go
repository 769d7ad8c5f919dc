package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/allegro/bigcache/v3"
	"github.com/coocood/freecache"
	"github.com/maypok86/otter/v2"
	gocache "github.com/patrickmn/go-cache"
	"github.com/puzpuzpuz/xsync/v4"
	"github.com/scriptling-kv/extlibs"
	"github.com/tidwall/buntdb"
)

// store is what the point rows ask of every competitor. Values are any, because
// a store for scripts holds their values; stores that hold only text get text.
type store interface {
	set(key string, value any)
	get(key string) (any, bool)
}

var background = context.Background()

// kvStore is this library, by the calls that a Go host uses.
type kvStore struct{ h *extlibs.Handle }

func newKVMemory(opts ...extlibs.Option) kvStore {
	return kvStore{must1(extlibs.NewRegistry(opts...).Open(background, ":memory:bench"))}
}

func (s kvStore) set(key string, value any) { must(s.h.Set(background, key, value, 0)) }

func (s kvStore) get(key string) (any, bool) {
	v, err := s.h.Get(background, key)
	return v, err == nil
}

func (s kvStore) close() { must(s.h.Close()) }

// kvEncoded is this library below its conversion of values: what is left is the
// store itself.
type kvEncoded struct {
	h     *extlibs.Handle
	value extlibs.Value
}

func (s kvEncoded) set(key string, _ any) {
	must1(s.h.Store().Apply(background, extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: s.value}))
}

func (s kvEncoded) get(key string) (any, bool) {
	e, err := s.h.Store().Load(background, key, extlibs.NeedAll)
	return nil, err == nil && !e.Value.IsZero()
}

// lockedMap is the baseline: what a program uses that has no store.
type lockedMap[V any] struct {
	mu sync.RWMutex
	m  map[string]V
}

func newLockedMap[V any]() *lockedMap[V] { return &lockedMap[V]{m: map[string]V{}} }

func (s *lockedMap[V]) put(key string, value V) {
	s.mu.Lock()
	s.m[key] = value
	s.mu.Unlock()
}

func (s *lockedMap[V]) find(key string) (V, bool) {
	s.mu.RLock()
	v, ok := s.m[key]
	s.mu.RUnlock()
	return v, ok
}

type anyMap struct{ *lockedMap[any] }

func (s anyMap) set(key string, value any)  { s.put(key, value) }
func (s anyMap) get(key string) (any, bool) { return s.find(key) }

type xsyncMap struct{ *xsync.Map[string, any] }

func (s xsyncMap) set(key string, value any)  { s.Store(key, value) }
func (s xsyncMap) get(key string) (any, bool) { return s.Load(key) }

type otterCache struct{ *otter.Cache[string, any] }

func (s otterCache) set(key string, value any)  { s.Set(key, value) }
func (s otterCache) get(key string) (any, bool) { return s.GetIfPresent(key) }

// newOtter makes otter with the order of deadlines, which a store with ttl
// needs, and without a limit, because a store does not evict.
func newOtter[V any]() *otter.Cache[string, V] {
	return otter.Must(&otter.Options[string, V]{
		ExpiryCalculator: otter.ExpiryWriting[string, V](1000 * time.Hour),
	})
}

type goCache struct{ *gocache.Cache }

func newGoCache(cleanup time.Duration) *gocache.Cache {
	return gocache.New(gocache.NoExpiration, cleanup)
}

func (s goCache) set(key string, value any)  { s.Set(key, value, gocache.NoExpiration) }
func (s goCache) get(key string) (any, bool) { return s.Get(key) }

// buntStore is buntdb in memory, or in a file that it appends to.
type buntStore struct{ *buntdb.DB }

func newBunt(path string) buntStore {
	db := must1(buntdb.Open(path))
	var c buntdb.Config
	must(db.ReadConfig(&c))
	c.SyncPolicy = buntdb.Always
	c.AutoShrinkDisabled = true // its compaction is not what is measured
	must(db.SetConfig(c))
	return buntStore{db}
}

func (s buntStore) set(key string, value any) {
	must(s.Update(func(tx *buntdb.Tx) error {
		_, _, err := tx.Set(key, value.(string), nil)
		return err
	}))
}

func (s buntStore) get(key string) (any, bool) {
	var v string
	err := s.View(func(tx *buntdb.Tx) (err error) {
		v, err = tx.Get(key)
		return err
	})
	if err != nil && !errors.Is(err, buntdb.ErrNotFound) {
		panic(err)
	}
	return v, err == nil
}

// bigCache is a cache whose table of hashes and whose entries have no pointers.
type bigCache struct{ *bigcache.BigCache }

func newBigCache() bigCache {
	c := bigcache.DefaultConfig(1000 * time.Hour)
	c.CleanWindow, c.Verbose = 0, false
	return bigCache{must1(bigcache.New(background, c))}
}

func (s bigCache) set(key string, value any) { must(s.Set(key, []byte(value.(string)))) }

func (s bigCache) get(key string) (any, bool) {
	b, err := s.Get(key)
	return string(b), err == nil
}

// freeCache is a cache in one block of memory, which has to be large enough for all entries.
type freeCache struct{ *freecache.Cache }

// freeCacheEntry is the memory of an entry of the scale rows, and some more, because the keys
// are not spread evenly over its segments.
const freeCacheEntry = 128

func newFreeCache(n int) freeCache { return freeCache{freecache.NewCache(n * freeCacheEntry)} }

func (s freeCache) set(key string, value any) {
	must(s.Set([]byte(key), []byte(value.(string)), 0))
}

func (s freeCache) get(key string) (any, bool) {
	b, err := s.Get([]byte(key))
	return string(b), err == nil
}

// packed puts msgpack in front of a store, so that it returns copies of a dict
// as this library does.
type packed struct {
	store
	text bool // it holds text, not bytes
}

func (s packed) set(key string, value any) {
	b := pack(value)
	if s.text {
		s.store.set(key, string(b))
		return
	}
	s.store.set(key, b)
}

func (s packed) get(key string) (any, bool) {
	v, ok := s.store.get(key)
	if !ok {
		return nil, false
	}
	if s.text {
		return unpack([]byte(v.(string))), true
	}
	return unpack(v.([]byte)), true
}
