package extlibs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/scriptling-kv/extlibs"
)

// The default store is what scripts see as kv.default.
func ExampleInitKVStore() {
	dir, err := os.MkdirTemp("", "kv")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := extlibs.InitKVStore(filepath.Join(dir, "app.db"), extlibs.MaxKeys(1_000_000)); err != nil {
		log.Fatal(err)
	}
	defer extlibs.CloseKVStore()

	store := extlibs.DefaultRegistry().Default()
	ctx := context.Background()
	if err := store.Set(ctx, "greeting", "hello", 0); err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.Get(ctx, "greeting"))
	// Output: hello <nil>
}

// Registries share nothing, so that each tenant may have one.
func ExampleNewRegistry() {
	ctx := context.Background()
	for _, tenant := range []string{"a", "b"} {
		r := extlibs.NewRegistry(extlibs.MaxStores(10), extlibs.MaxMemoryBytes(64<<20))
		defer r.Close()
		store, err := r.Open(ctx, ":memory:sessions")
		if err != nil {
			log.Fatal(err)
		}
		n, err := store.Incr(ctx, "visits", 1, 0)
		fmt.Println(tenant, n, err)
	}
	// Output:
	// a 1 <nil>
	// b 1 <nil>
}

func ExampleHandle_Set() {
	r := extlibs.NewRegistry()
	defer r.Close()
	ctx := context.Background()
	store := r.Default()
	user := map[string]any{"name": "Ada", "roles": []string{"admin", "author"}, "logins": 3}
	if err := store.Set(ctx, "user:1", user, time.Hour); err != nil {
		log.Fatal(err)
	}
	v, err := store.Get(ctx, "user:1")
	fmt.Println(v, err)
	_, err = store.Get(ctx, "user:2")
	fmt.Println(errors.Is(err, extlibs.ErrNotFound))
	// Output:
	// map[logins:3 name:Ada roles:[admin author]] <nil>
	// true
}

// A counter that ends by itself is a rate limiter in one call.
func ExampleHandle_Incr() {
	r := extlibs.NewRegistry()
	defer r.Close()
	ctx := context.Background()
	for range 4 {
		n, err := r.Default().Incr(ctx, "requests:10.0.0.1", 1, time.Minute)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(n, n <= 3)
	}
	// Output:
	// 1 true
	// 2 true
	// 3 true
	// 4 false
}

func ExampleHandle_Update() {
	r := extlibs.NewRegistry()
	defer r.Close()
	ctx := context.Background()
	push := func(item string) (any, error) {
		return r.Default().Update(ctx, "recent", func(old any, ok bool) (any, error) {
			list, _ := old.([]any)
			return append([]any{item}, list[:min(len(list), 2)]...), nil
		})
	}
	for _, item := range []string{"a", "b", "c", "d"} {
		fmt.Println(push(item))
	}
	// Output:
	// [a] <nil>
	// [b a] <nil>
	// [c b a] <nil>
	// [d c b] <nil>
}

// Deno's kv.atomic().check(price).set("total", ...).commit() is one ApplyMany: OpCheck with
// Must is a condition of the batch, and a batch is atomic.
func ExampleHandle_Store() {
	r := extlibs.NewRegistry()
	defer r.Close()
	ctx, store := context.Background(), r.Default().Store()
	if err := r.Default().Set(ctx, "price", 20, 0); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		price, err := store.Load(ctx, "price", extlibs.NeedValue)
		if err != nil {
			log.Fatal(err)
		}
		n, err := price.Value.Decode()
		if err != nil {
			log.Fatal(err)
		}
		total, err := extlibs.Encode(n.(int64) * 3)
		if err != nil {
			log.Fatal(err)
		}
		if n == int64(20) { // meanwhile another caller raises the price
			if _, err := r.Default().Incr(ctx, "price", 5, 0); err != nil {
				log.Fatal(err)
			}
		}

		_, err = store.ApplyMany(ctx, []extlibs.Op{
			{Kind: extlibs.OpCheck, Key: "price", Old: price.Value, Must: true},
			{Kind: extlibs.OpSet, Key: "total", Value: total},
		})
		switch {
		case errors.Is(err, extlibs.ErrConflict):
			fmt.Println("the price changed: nothing was stored, read it again")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println("stored")
		}
	}
	fmt.Println(r.Default().Get(ctx, "total"))
	// Output:
	// the price changed: nothing was stored, read it again
	// stored
	// 75 <nil>
}

// A transfer: no caller sees, or acts on, one half of it.
func ExampleHandle_UpdateMany() {
	r := extlibs.NewRegistry()
	defer r.Close()
	h, ctx := r.Default(), context.Background()
	if err := h.SetMany(ctx, map[string]any{"ann": 100, "bob": 20}, 0); err != nil {
		log.Fatal(err)
	}
	transfer := func(amount int64) error {
		_, err := h.UpdateMany(ctx, []string{"ann", "bob"}, func(values map[string]any) (map[string]any, error) {
			ann, bob := values["ann"].(int64), values["bob"].(int64)
			if ann < amount {
				return nil, fmt.Errorf("ann has only %d", ann)
			}
			return map[string]any{"ann": ann - amount, "bob": bob + amount}, nil
		})
		return err
	}
	fmt.Println(transfer(70))
	fmt.Println(transfer(70))
	fmt.Println(h.GetMany(ctx, []string{"ann", "bob"}))
	// Output:
	// <nil>
	// ann has only 30
	// map[ann:30 bob:90] <nil>
}

// A queue: workers take the oldest job, and each job once.
func ExampleHandle_PopFirst() {
	r := extlibs.NewRegistry()
	defer r.Close()
	h, ctx := r.Default(), context.Background()
	for _, job := range []string{"mail", "print"} {
		n, err := h.Incr(ctx, "jobs", 1, 0)
		if err != nil {
			log.Fatal(err)
		}
		if err := h.Set(ctx, fmt.Sprintf("job:%012d", n), job, 0); err != nil {
			log.Fatal(err)
		}
	}
	for {
		item, err := h.PopFirst(ctx, extlibs.PopOptions{Prefix: "job:"})
		if errors.Is(err, extlibs.ErrNotFound) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(item.Key, item.Value)
	}
	// Output:
	// job:000000000001 mail
	// job:000000000002 print
}

// Pages of a large store, each after the last key of the one before.
func ExampleHandle_Keys() {
	r := extlibs.NewRegistry()
	defer r.Close()
	ctx := context.Background()
	store := r.Default()
	for i := range 5 {
		if err := store.Set(ctx, fmt.Sprintf("user:%d", i), i, 0); err != nil {
			log.Fatal(err)
		}
	}
	page := extlibs.ListOptions{Pattern: "user:*", Limit: 2}
	for {
		keys, err := store.Keys(ctx, page)
		if err != nil {
			log.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		fmt.Println(keys)
		page.After = keys[len(keys)-1]
	}
	// Output:
	// [user:0 user:1]
	// [user:2 user:3]
	// [user:4]
}

// tracing is a backend of another module: it hands on to one in memory.
type tracing struct{ extlibs.Store }

func (s tracing) Apply(ctx context.Context, op extlibs.Op) (extlibs.Result, error) {
	fmt.Println("applied to", op.Key)
	return s.Store.Apply(ctx, op)
}

func ExampleRegisterDriver() {
	extlibs.RegisterDriver("tracing", func(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		h, err := extlibs.NewRegistry().Open(ctx, ":memory:traced")
		if err != nil {
			return nil, err
		}
		return tracing{h.Store()}, nil
	})

	r := extlibs.NewRegistry()
	defer r.Close()
	ctx := context.Background()
	store, err := r.Open(ctx, "tracing://host/db")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.Set(ctx, "k", 1, 0))
	// Output:
	// applied to k
	// <nil>
}

func ExampleGet() {
	type session struct {
		User  string   `cbor:"user"`
		Roles []string `cbor:"roles"`
	}
	h, ctx := extlibs.NewRegistry().Default(), context.Background()
	if err := extlibs.SetAs(ctx, h, "session:1", session{"ann", []string{"admin"}}, time.Hour); err != nil {
		log.Fatal(err)
	}
	s, err := extlibs.Get[session](ctx, h, "session:1")
	fmt.Println(s.User, s.Roles, err)
	_, err = extlibs.Get[session](ctx, h, "session:2")
	fmt.Println(errors.Is(err, extlibs.ErrNotFound), err)
	// Output:
	// ann [admin] <nil>
	// true kv.get: store "default" has no key "session:2"
}

func ExampleHandle_Sub() {
	h, ctx := extlibs.NewRegistry().Default(), context.Background()
	ann := h.Sub("user:ann:")
	ann.Set(ctx, "theme", "dark", 0)
	keys, _ := h.Keys(ctx, extlibs.ListOptions{})
	fmt.Println(keys)
	keys, _ = ann.Keys(ctx, extlibs.ListOptions{})
	fmt.Println(keys)
	// Output:
	// [user:ann:theme]
	// [theme]
}

func ExampleHandle_All() {
	h, ctx := extlibs.NewRegistry().Default(), context.Background()
	h.SetMany(ctx, map[string]any{"a": 1, "b": 2, "c": 3}, 0)
	for item, err := range h.All(ctx, extlibs.ListOptions{After: "a"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(item.Key, item.Value)
	}
	// Output:
	// b 2
	// c 3
}

func ExampleHandle_Items() {
	h, ctx := extlibs.NewRegistry().Default(), context.Background()
	h.SetMany(ctx, map[string]any{"user:1": "ann", "user:2": "bob", "x": nil}, 0)
	items, err := h.Items(ctx, extlibs.ListOptions{Pattern: "user:*"})
	fmt.Println(items, err)
	// Output: [{user:1 ann 0s} {user:2 bob 0s}] <nil>
}

func ExampleHandle_CompareAndDelete() {
	h, ctx := extlibs.NewRegistry().Default(), context.Background()
	locked, _ := h.Add(ctx, "lock", "token of worker 1", time.Minute)
	unlocked, _ := h.CompareAndDelete(ctx, "lock", "token of worker 2")
	fmt.Println(locked, unlocked)
	unlocked, _ = h.CompareAndDelete(ctx, "lock", "token of worker 1")
	fmt.Println(unlocked)
	// Output:
	// true false
	// true
}

func ExampleDurability() {
	r := extlibs.NewRegistry(extlibs.Durability(extlibs.Interval(100 * time.Millisecond)))
	defer r.Close()
	dir, err := os.MkdirTemp("", "kv")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	h, err := r.Open(context.Background(), filepath.Join(dir, "fast.db"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(h.Set(context.Background(), "k", 1, 0))
	// Output: <nil>
}

func ExampleLogger() {
	r := extlibs.NewRegistry(extlibs.Logger(slog.New(slog.NewTextHandler(os.Stdout, nil))))
	defer r.Close()
	// Failures of background work are logged from now on; there are none.
	fmt.Println(r.Default().Set(context.Background(), "k", 1, 0))
	// Output: <nil>
}

func ExampleHandle_Backup() {
	dir, err := os.MkdirTemp("", "kv")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r, ctx := extlibs.NewRegistry(), context.Background()
	defer r.Close()
	h, err := r.Open(ctx, filepath.Join(dir, "kv.db"))
	if err != nil {
		log.Fatal(err)
	}
	h.Set(ctx, "k", "v", 0)
	var copied bytes.Buffer
	if err := h.Backup(ctx, &copied); err != nil {
		log.Fatal(err)
	}
	fmt.Println(copied.Len() > 0)
	// Output: true
}

func ExampleWithKV() {
	if err := extlibs.InitKVStore(""); err != nil {
		log.Fatal(err)
	}
	p := scriptling.New()
	// A host that uses Scriptling's own RegisterRuntimeLibraryAll gives it
	// extlibs.WithKV(p) instead of p.
	extlibs.RegisterRuntimeLibraryAll(extlibs.WithKV(p), nil)
	_, err := p.Eval("import scriptling.runtime.kv as kv\nkv.open(':memory:example').set('k', 1)")
	fmt.Println(err)
	// Output: <nil>
}

func ExampleStoreOptions() {
	dir, err := os.MkdirTemp("", "kv")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	registry := extlibs.NewRegistry(
		extlibs.StoreOptions(filepath.Join(dir, "sessions.db"), extlibs.Durability(extlibs.Interval(time.Second))),
		extlibs.StoreOptions(":memory:*", extlibs.MaxKeys(1)),
	)
	defer registry.Close()
	scratch, err := registry.Open(context.Background(), ":memory:scratch") // as a script does by kv.open
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		fmt.Println(errors.Is(scratch.Set(context.Background(), key, 1, 0), extlibs.ErrFull))
	}
	// Output:
	// false
	// true
}

func ExampleMaxCacheBytes() {
	registry := extlibs.NewRegistry(
		extlibs.StoreOptions(":cache:pages", extlibs.MaxCacheBytes(256<<20)),
		extlibs.StoreOptions(":memory:thumbnails", extlibs.Evict(), extlibs.MaxKeys(10_000)),
	)
	err := registry.Init("", extlibs.Evict(), extlibs.MaxCacheBytes(1<<30))
	fmt.Println(err, registry.Close())
	// Output: <nil> <nil>
}

// A cache makes room for new keys. The key that is read all the time stays.
func ExampleEvict() {
	registry := extlibs.NewRegistry(extlibs.StoreOptions(":cache:*", extlibs.MaxCacheBytes(100_000)))
	defer registry.Close()
	ctx := context.Background()
	cache, err := registry.Open(ctx, ":cache:pages") // or :memory:pages, with the option Evict
	if err != nil {
		log.Fatal(err)
	}
	for i := range 10_000 {
		if err := cache.Set(ctx, fmt.Sprint("page:", i), "...", 0); err != nil {
			log.Fatal(err)
		}
		if _, err := cache.Get(ctx, "page:0"); err != nil {
			log.Fatal(err)
		}
	}
	s, err := cache.Stats(ctx)
	fmt.Println(s.Keys+s.Evicted, s.Bytes <= 100_000, err)
	// Output: 10000 true <nil>
}

func ExampleRegistry_OpenWith() {
	registry := extlibs.NewRegistry()
	defer registry.Close()
	ctx := context.Background()
	small, err := registry.OpenWith(ctx, ":memory:small", extlibs.MaxValueBytes(10))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(small.Set(ctx, "k", "more than ten bytes", 0))
	_, err = registry.OpenWith(ctx, ":memory:small", extlibs.MaxValueBytes(20))
	fmt.Println(err)
	// Output:
	// kv.set: value is larger than 10 bytes; split it over several keys (at value)
	// kv.open: the store is open with other options (MaxValueBytes); close it first, or set StoreOptions on the registry before the store is opened
}

// A request waits for the result of a job, and takes no CPU meanwhile.
func ExampleHandle_Wait() {
	r := extlibs.NewRegistry()
	defer r.Close()
	store := r.Default()
	go store.Set(context.Background(), "result:7", "done", time.Minute)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(store.Wait(ctx, "result:7"))
	// Output: done <nil>
}

// A host follows a setting that scripts change.
func ExampleHandle_WaitChange() {
	r := extlibs.NewRegistry()
	defer r.Close()
	store, ctx := r.Default(), context.Background()
	go store.Set(ctx, "level", "debug", 0)

	var level any // an absent key is nil
	level, err := store.WaitChange(ctx, "level", level)
	fmt.Println(level, err)
	// Output: debug <nil>
}

func ExampleHandle_Watch() {
	r := extlibs.NewRegistry()
	defer r.Close()
	store, ctx := r.Default(), context.Background()

	// The watch begins here: no change after the call is missed.
	changes := store.Watch(ctx, extlibs.WatchOptions{Prefix: "config:"})
	fmt.Println(store.Count(ctx, "config:*"))
	store.Set(ctx, "config:level", "debug", 0)
	store.Delete(ctx, "config:level")
	store.Set(ctx, "config:size", 10, 0)

	n := 0
	for c, err := range changes {
		switch {
		case err != nil:
			log.Fatal(err)
		case c.Lost:
			fmt.Println("any key can have changed: read them again")
		case c.Deleted:
			fmt.Println(c.Key, "is gone")
		default:
			fmt.Println(c.Key, "is", c.Value)
		}
		if n++; n == 2 {
			break
		}
	}
	// Output:
	// 0 <nil>
	// config:level is gone
	// config:size is 10
}

func ExampleHandle_Export() {
	registry := extlibs.NewRegistry()
	defer registry.Close()
	ctx := context.Background()
	if err := registry.Default().Set(ctx, "user:1", extlibs.Tuple{"Ann", 1.0}, 0); err != nil {
		log.Fatal(err)
	}
	var export bytes.Buffer
	if _, err := registry.Default().Export(ctx, &export); err != nil {
		log.Fatal(err)
	}
	fmt.Print(export.String())
	other, err := registry.Open(ctx, ":memory:other")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(other.Import(ctx, &export))
	// Output:
	// {"key":"user:1","value":{"$tuple":["Ann",1.0]}}
	// 1 <nil>
}
