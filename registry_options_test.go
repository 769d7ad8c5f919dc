package extlibs_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// valueLimit is the option that limitOf finds out.
func valueLimit(n int) extlibs.StoreOption { return extlibs.MaxValueBytes(10 * n) }

// limitOf returns n of the valueLimit that a store has, 9 if it is larger.
func limitOf(t *testing.T, h *extlibs.Handle) int {
	t.Helper()
	for n := 1; n < 9; n++ {
		switch err := h.Set(ctx, "k", strings.Repeat("x", 10*n+5), 0); {
		case errors.Is(err, extlibs.ErrTooLarge):
			return n
		case err != nil:
			t.Fatal(err)
		}
	}
	return 9
}

// wantLimit opens a store and checks which of several options it has, by its limit.
func wantLimit(t *testing.T, r *extlibs.Registry, name string, want int) {
	t.Helper()
	h, err := r.Open(ctx, name)
	if err != nil {
		t.Errorf("Open(%q): %v", name, err)
		return
	}
	if n := limitOf(t, h); n != want {
		t.Errorf("%q has the limit %d, want %d", name, n, want)
	}
	must(t, h.Close())
}

func TestStoresOfOneRegistryHaveOptionsEach(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t, valueLimit(4))
		name := b.storeName(t)
		h, err := r.OpenWith(ctx, name, valueLimit(2), extlibs.MaxOperationBytes(5000))
		if err != nil {
			t.Fatal(err)
		}
		if n := limitOf(t, h); n != 2 {
			t.Errorf("it has the limit %d, want 2", n)
		}
		if _, err := h.GetMany(ctx, strings.Split("abcdefghijklmnopqrstuvwxyz", "")); !errors.Is(err, extlibs.ErrTooLarge) {
			t.Errorf("a large call: %v", err)
		}
		wantLimit(t, r, ":memory:another", 4)

		// The store is open: it keeps its options, and another opener can only ask for those.
		for _, opts := range [][]extlibs.StoreOption{nil, {valueLimit(2)}, {valueLimit(3), valueLimit(2)}, {extlibs.SweepInterval(0)}, {{}}} {
			if again, err := r.OpenWith(ctx, name, opts...); again != h || err != nil {
				t.Errorf("%v: another store, %v", opts, err)
			}
		}
		_, err = r.OpenWith(ctx, name, extlibs.MaxOperationBytes(5000), valueLimit(3))
		if !errors.Is(err, extlibs.ErrInUse) || !strings.Contains(err.Error(), "(MaxValueBytes)") {
			t.Errorf("other options: %v, want ErrInUse with the name of the option", err)
		}
		if n := limitOf(t, h); n != 2 {
			t.Errorf("after that it has the limit %d", n)
		}
		must(t, h.Close())
		wantLimit(t, r, name, 4)
	})
}

func TestAnOptionThatAStoreDoesNotHaveIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := []extlibs.StoreOption{
		extlibs.Durability(extlibs.Interval(time.Second)), extlibs.ReadOnly(), extlibs.LogBytes(1 << 20), extlibs.MaxFileBytes(1 << 20), extlibs.LockTimeout(time.Second),
	}
	memory := []extlibs.StoreOption{extlibs.MaxMemoryBytes(1 << 20)}
	path, url := filepath.Join(dir, "x.db"), "registrytest://host/options"
	for name, refused := range map[string][]extlibs.StoreOption{
		":memory:x": file,
		path:        memory,
		url:         append(file, memory...),
	} {
		for _, opt := range refused {
			for how, open := range map[string]func() (*extlibs.Handle, error){
				"OpenWith":          func() (*extlibs.Handle, error) { return newRegistry().OpenWith(ctx, name, opt) },
				"a pattern":         func() (*extlibs.Handle, error) { return newRegistry(extlibs.StoreOptions(name, opt)).Open(ctx, name) },
				"a general pattern": func() (*extlibs.Handle, error) { return newRegistry(extlibs.StoreOptions("*", opt)).Open(ctx, name) },
			} {
				if _, err := open(); !errors.Is(err, extlibs.ErrInvalid) || !strings.Contains(err.Error(), "is an option of stores in ") {
					t.Errorf("%s: Open(%q): %v, want ErrInvalid", how, name, err)
				}
			}
			r := newRegistry(opt) // applies where it fits
			if _, err := r.Open(ctx, ":memory:x"); err != nil {
				t.Errorf("an option of the registry: %v", err)
			}
			must(t, r.Close())
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a refused open created the file")
	}
	r := newRegistry()
	open := mustOpen(t, r, ":memory:open")
	if _, err := r.OpenWith(ctx, ":memory:open", extlibs.ReadOnly()); !errors.Is(err, extlibs.ErrInvalid) {
		t.Errorf("of an open store: %v", err)
	}
	must(t, open.Close())
}

func TestTheFirstPatternThatMatchesCounts(t *testing.T) {
	dir := real(t, t.TempDir())
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	t.Chdir(dir)
	keys := func(pattern string, n int) extlibs.Option { return extlibs.StoreOptions(pattern, valueLimit(n)) }
	r := newRegistry(valueLimit(8),
		keys("a.db", 1), keys(":memory:s*", 2), keys("sub/{x,y}?.db", 3), keys(dir+"/abs-*.db", 4), keys("registrytest://host/*", 5),
		keys("*.tmp", 6), keys("a*", 7), keys(`odd\[name`, 1))
	t.Cleanup(func() { must(t, r.Close()) })
	for name, want := range map[string]int{
		"a.db": 1, "./a.db": 1, "sub/../a.db": 1, dir + "/a.db": 1, "sub/a.db": 8,
		":memory:s": 2, ":memory:sessions": 2, ":memory:x": 8, ":memory:a.tmp": 6,
		"sub/x1.db": 3, "./sub//y2.db": 3, "sub/z1.db": 8, "x1.db": 8,
		"abs-1.db": 4, "sub/abs-1.db": 8,
		"REGISTRYTEST://HOST/a": 5, "registrytest://user:secret@host/b?x=y": 5, "registrytest://other/a": 8,
		"sub/b.tmp": 6, "a.tmp": 6, "ab.db": 7, "b.db": 8, "odd[name": 1,
	} {
		wantLimit(t, r, name, want)
	}
	must(t, r.Init("a.db")) // the default store as well
	if n := limitOf(t, r.Default()); n != 1 {
		t.Errorf("the default store has the limit %d", n)
	}
	must(t, r.Init("ab.db", keys("a*", 5), valueLimit(3))) // what Init gives is for its own store
	if n := limitOf(t, r.Default()); n != 3 {
		t.Errorf("the default store that got options has the limit %d", n)
	}
	wantLimit(t, r, "ac.db", 5) // the pattern was given again
	h, err := r.OpenWith(ctx, "a.db", valueLimit(4))
	if err != nil {
		t.Fatal(err)
	}
	if n := limitOf(t, h); n != 4 {
		t.Errorf("with OpenWith the store has the limit %d", n)
	}
}

// real returns a path without symbolic links.
func real(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	must(t, err)
	return path
}

// A script cannot reach a file without the options that its pattern gives, however it
// spells the path.
func TestNoSpellingOfAFileEvadesItsOptions(t *testing.T) {
	dir := real(t, t.TempDir())
	for _, sub := range []string{"data", "other"} {
		must(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	t.Chdir(filepath.Join(dir, "other"))
	path := filepath.Join(dir, "data", "limited.db")
	first := newRegistry()
	must(t, mustOpen(t, first, path).Close())
	must(t, first.Close())
	for link, target := range map[string]string{
		"link": path, "folder": filepath.Join(dir, "data"), "chain": "link", "dangling": "../data/new.db", "dangling chain": "dangling",
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Skipf("no symlinks here: %v", err)
		}
	}
	spellings := []string{
		path, "../data/limited.db", dir + "//data/./limited.db", "link", "folder/limited.db", "chain", "./folder/../../data/limited.db",
		"dangling", "dangling chain", "folder/new.db", // new.db does not exist yet
	}
	hard := os.Link(path, "hard") == nil
	for _, pattern := range []string{dir + "/data/*", "../data/*.db", "folder/*", "*/data/*"} {
		t.Run(pattern, func(t *testing.T) {
			for _, name := range spellings {
				os.Remove(filepath.Join(dir, "data", "new.db"))
				for who, allowed := range map[string][]string{"any path": nil, "restricted": {dir}, "restricted by a link": {"folder", dir}} {
					r := newRegistry(valueLimit(8), extlibs.StoreOptions(pattern, valueLimit(2)), extlibs.StoreOptions("*", valueLimit(5)))
					p := interpreter(r, new(bytes.Buffer))
					r.RegisterWithSecurity(p, allowed)
					must(t, p.SetVar("name", name))
					eval(t, p, "import scriptling.runtime.kv as kv\ns = kv.open(name)\ns.set('a', 'x' * 15)")
					if clause, _ := caught(t, p, "s.set('c', 'x' * 25)"); clause != "ValueError" {
						t.Errorf("%s: %q takes a larger value than its pattern allows (%q)", who, name, clause)
					}
					must(t, r.Close())
				}
			}
		})
	}
	for _, pattern := range []string{path, "../data/limited.db", "link", "folder/limited.db", `folder/\limited.db`} {
		r := newRegistry(valueLimit(8), extlibs.StoreOptions(pattern, valueLimit(2)))
		names := []string{path, "link", "chain", "folder/limited.db"}
		if hard {
			names = append(names, "hard")
		}
		for _, name := range names {
			wantLimit(t, r, name, 2)
		}
		must(t, r.Close())
	}
}

func TestAMalformedPatternOfStoresIsNotIgnored(t *testing.T) {
	for _, pattern := range []string{"", "[", "secret[folder/*", "{a,b}.db", ":Cache:*", ":x", ":memory", "\xff", strings.Repeat("x", 2000)} {
		bad := extlibs.StoreOptions(pattern, valueLimit(1))
		r := newRegistry(extlibs.StoreOptions("fine", valueLimit(1)), bad)
		for _, name := range []string{":memory:x", filepath.Join(t.TempDir(), "x.db"), "registrytest://host/pattern"} {
			if _, err := r.Open(ctx, name); !errors.Is(err, extlibs.ErrInvalid) || !strings.Contains(err.Error(), "StoreOptions number 2") {
				t.Errorf("%.20q: Open(%q): %v", pattern, name, err)
			}
		}
		if err := r.Init(""); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("%.20q: Init: %v", pattern, err)
		}
		clause, message := caught(t, interpreter(r, new(bytes.Buffer)), "import scriptling.runtime.kv as kv\nkv.open(':memory:x')")
		if clause != "ValueError" || strings.Contains(message, "secret") {
			t.Errorf("%.20q: a script's open raised %q (%s)", pattern, clause, message)
		}
		r = newRegistry() // given to Init, it changes nothing
		if err := r.Init("", bad); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("%.20q: Init with it: %v", pattern, err)
		}
		mustOpen(t, r, ":memory:x")
		must(t, r.Close())
	}
}

// Concurrent openers with two sets of options get one store, which has one of them.
func TestOfConcurrentOpenersWithOtherOptionsOneSetWins(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t)
		name := b.storeName(t)
		for range 5 {
			var wg sync.WaitGroup
			var mu sync.Mutex
			got := map[int]*extlibs.Handle{}
			for i := range 16 {
				wg.Go(func() {
					n := i%2 + 1
					h, err := r.OpenWith(context.Background(), name, valueLimit(n))
					if err != nil && !errors.Is(err, extlibs.ErrInUse) {
						t.Errorf("OpenWith: %v", err)
					}
					if err == nil {
						mu.Lock()
						got[n] = h
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if len(got) != 1 {
				t.Fatalf("%d sets of options have got a store", len(got))
			}
			for n, h := range got {
				if limit := limitOf(t, h); limit != n {
					t.Errorf("the store has the limit %d, want %d", limit, n)
				}
				must(t, h.Close())
			}
		}
	})
}

func TestAStoreThatIsOpenWithOtherOptionsDoesNotBecomeTheDefaultOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	r := newRegistry()
	h, err := r.OpenWith(ctx, path, valueLimit(2))
	must(t, err)
	if err := r.Init(path, valueLimit(3)); !errors.Is(err, extlibs.ErrInUse) {
		t.Errorf("Init with other options: %v, want ErrInUse", err)
	}
	must(t, r.Init(path, valueLimit(2), extlibs.MaxStores(7)))
	if r.Default() != h {
		t.Error("the default store is another one")
	}
	if _, err := r.OpenWith(ctx, path, valueLimit(3)); !errors.Is(err, extlibs.ErrInUse) {
		t.Errorf("the default store with other options: %v, want ErrInUse", err)
	}
	must(t, r.Init(path, valueLimit(3))) // the default store is opened again, as ever
	if n := limitOf(t, r.Default()); n != 3 {
		t.Errorf("the default store has the limit %d", n)
	}
	must(t, r.Close())
}
