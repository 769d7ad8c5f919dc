package extlibs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

func TestEverySpellingOfAFileIsOneStore(t *testing.T) {
	forEachFileBackend(t, func(t *testing.T, b backend) {
		dir := t.TempDir()
		for _, sub := range []string{"data", "other"} {
			if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		t.Chdir(filepath.Join(dir, "other"))
		path := filepath.Join(dir, "data", "store.db")
		r := b.registry(t)
		first := mustOpen(t, r, path)
		for link, target := range map[string]string{
			"file link": path, "folder link": filepath.Join(dir, "data"), "relative link": "../data/store.db", "link to a link": filepath.Join(dir, "other", "file link"),
		} {
			if err := os.Symlink(target, filepath.Join(dir, "other", link)); err != nil {
				t.Skipf("no symlinks here: %v", err)
			}
		}
		if err := os.Link(path, filepath.Join(dir, "hard link")); err != nil {
			t.Skipf("no hard links here: %v", err)
		}
		for _, spelling := range []string{
			path, "../data/store.db", "./../data/./store.db", dir + "//data///store.db", dir + "/other/../data/store.db",
			"file link", "folder link/store.db", "relative link", "link to a link", "../hard link",
		} {
			h, err := r.Open(ctx, spelling)
			if err != nil || h != first {
				t.Errorf("Open(%q) is another store, %v", spelling, err)
			}
		}
		if n := len(r.Stores()); n != 1 {
			t.Errorf("%d stores are open", n)
		}
	})
}

func TestConcurrentOpensOfOneNameAreOneStore(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t)
		name := b.storeName(t)
		names := []string{name, name}
		if b.persistent {
			names[1] = filepath.Join(filepath.Dir(name), ".", "x", "..", filepath.Base(name))
		}
		for range 10 {
			handles := make([]*extlibs.Handle, 50)
			var wg sync.WaitGroup
			for i := range handles {
				wg.Go(func() {
					h, err := r.Open(ctx, names[i%2])
					if err == nil {
						_, err = h.Incr(ctx, "n", 1, 0)
					}
					if err != nil {
						t.Errorf("Open: %v", err)
					}
					handles[i] = h
				})
			}
			wg.Wait()
			for _, h := range handles {
				if h != handles[0] {
					t.Fatal("there are two stores of one name")
				}
			}
			if v, err := handles[0].Pop(ctx, "n"); v != int64(50) || err != nil {
				t.Errorf("%v of 50 calls counted, %v", v, err)
			}
			if err := handles[0].Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestOpensAndClosesOfOneNameMayMix(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t)
		name := b.storeName(t)
		var wg sync.WaitGroup
		rounds := 30
		if testing.Short() {
			rounds = 6
		}
		for range 8 {
			wg.Go(func() {
				for range rounds {
					h, err := r.Open(ctx, name)
					if err != nil {
						t.Errorf("Open: %v", err)
						return
					}
					if err := h.Set(ctx, "k", 1, 0); err != nil && !errors.Is(err, extlibs.ErrClosed) {
						t.Errorf("Set: %v", err)
					}
					if err := h.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if n := len(r.Stores()); n != 0 {
			t.Errorf("%d stores are still open", n)
		}
	})
}

func TestAClosedStoreLeavesTheRegistryAndItsHandlesAreStale(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t)
		name := b.storeName(t)
		old := mustOpen(t, r, name)
		if err := old.Set(ctx, "k", 1, 0); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(r.Stores()); n != 0 {
			t.Errorf("%d stores are open", n)
		}
		fresh := mustOpen(t, r, name)
		if fresh == old {
			t.Fatal("Open returned the closed store")
		}
		_, err := old.Get(ctx, "k")
		if !errors.Is(err, extlibs.ErrClosed) || !strings.Contains(err.Error(), "call kv.open again") {
			t.Errorf("Get of the stale handle: %v", err)
		}
		if err := old.Close(); err != nil {
			t.Errorf("Close of the stale handle: %v", err)
		}
		if ok, err := fresh.Exists(ctx, "k"); ok != b.persistent || err != nil {
			t.Errorf("the new store has the key: %v, %v", ok, err)
		}
	})
}

func TestTheDefaultStoresOwnFileIsTheDefaultStore(t *testing.T) {
	t.Parallel()
	forEachFileBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t)
		path := b.storeName(t)
		if err := r.Init(path); err != nil {
			t.Fatal(err)
		}
		if h := mustOpen(t, r, path); h != r.Default() {
			t.Error("its file is another store")
		} else if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := r.Default().Set(ctx, "k", 1, 0); err != nil {
			t.Errorf("Set after Close of the default store: %v", err)
		}
		if n := len(r.Stores()); n != 0 {
			t.Errorf("%d named stores", n)
		}
	})
}

func TestInitMayBeCalledAgain(t *testing.T) {
	t.Parallel()
	forEachFileBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t)
		path, other := b.storeName(t), b.storeName(t)
		memory := r.Default()
		set := func(key string) {
			t.Helper()
			if err := r.Default().Set(ctx, key, 1, 0); err != nil {
				t.Fatal(err)
			}
		}
		init := func(path string) {
			t.Helper()
			if err := r.Init(path); err != nil {
				t.Fatalf("Init(%q): %v", path, err)
			}
		}
		has := func(key string, want bool) {
			t.Helper()
			if ok, err := r.Default().Exists(ctx, key); ok != want || err != nil {
				t.Errorf("%s is there: %v, %v", key, ok, err)
			}
		}
		set("in memory")
		init(path)
		has("in memory", false)
		set("in the file")
		if _, err := memory.Get(ctx, "in memory"); !errors.Is(err, extlibs.ErrClosed) {
			t.Errorf("the old default store: %v", err)
		}
		init(path) // the file that is in use
		has("in the file", true)
		init(other)
		has("in the file", false)
		if _, err := b.registry(t).Open(ctx, path); err != nil {
			t.Errorf("the old file is still locked: %v", err)
		}
		init("")
		has("in the file", false)

		named := mustOpen(t, r, other) // becomes the default store
		if err := named.Set(ctx, "named", 1, 0); err != nil {
			t.Fatal(err)
		}
		init(other)
		has("named", true)
		if n := len(r.Stores()); n != 0 {
			t.Errorf("%d named stores", n)
		}
		if err := named.Close(); err != nil {
			t.Error(err)
		}
		has("named", true)
	})
}

func TestAFailedInitKeepsTheDefaultStore(t *testing.T) {
	r := backends[0].registry(t)
	if err := r.Default().Set(ctx, "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		kind error
	}{
		{t.TempDir(), extlibs.ErrFormat}, {filepath.Join(t.TempDir(), "no", "store.db"), os.ErrNotExist},
		{":memory:x", extlibs.ErrInvalid}, {":memory:", extlibs.ErrInvalid}, {"nosuch://x", extlibs.ErrInvalid}, {"a\x00b", extlibs.ErrInvalid},
	} {
		if err := r.Init(tt.path); !errors.Is(err, tt.kind) {
			t.Errorf("Init(%q): %v, want an error that is %q", tt.path, err, tt.kind)
		}
		if ok, err := r.Default().Exists(ctx, "k"); !ok || err != nil {
			t.Errorf("after Init(%q) the key is there: %v, %v", tt.path, ok, err)
		}
	}
}

func TestACloseOfTheRegistryClosesEveryStore(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t)
		name := b.storeName(t)
		named := mustOpen(t, r, name)
		path := filepath.Join(t.TempDir(), "default.db")
		if err := r.Init(path); err != nil {
			t.Fatal(err)
		}
		if err := r.Default().Set(ctx, "k", 1, 0); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for _, h := range []*extlibs.Handle{named, r.Default()} {
			if err := h.Set(ctx, "k", 1, 0); !errors.Is(err, extlibs.ErrClosed) {
				t.Errorf("%s: %v, want ErrClosed", h.Name(), err)
			}
		}
		for _, closed := range []string{name, path, ":memory:another", "registrytest://host/closed"} {
			if _, err := r.Open(ctx, closed); !errors.Is(err, extlibs.ErrClosed) || !strings.Contains(err.Error(), "Init") {
				t.Errorf("Open(%q): %v, want ErrClosed", closed, err)
			}
		}
		if clause, _ := caught(t, interpreter(r, new(bytes.Buffer)), "import scriptling.runtime.kv as kv\nkv.open(':memory:x')"); clause != "RuntimeError" {
			t.Errorf("a script's open raised %q", clause)
		}
		// After Init files that were open can be opened again, also the default one's.
		if err := r.Init(""); err != nil {
			t.Fatal(err)
		}
		if err := mustOpen(t, r, name).Set(ctx, "k", 1, 0); err != nil {
			t.Errorf("the named store again: %v", err)
		}
		if v, err := mustOpen(t, r, path).Get(ctx, "k"); v != int64(1) || err != nil {
			t.Errorf("the default store's file again: %v, %v", v, err)
		}
		if err := r.Init(path); err != nil {
			t.Fatal(err)
		}
		if v, err := r.Default().Get(ctx, "k"); v != int64(1) || err != nil {
			t.Errorf("the default store again: %v, %v", v, err)
		}
	})
}

func TestMaxStoresBoundsTheOpenStores(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t, extlibs.MaxStores(3))
		names := make([]string, 4)
		for i := range names {
			names[i] = b.storeName(t)
			if !b.persistent {
				names[i] += fmt.Sprint(i)
			}
		}
		for _, name := range names[:3] {
			mustOpen(t, r, name)
		}
		mustOpen(t, r, names[0]) // open already
		if _, err := r.Open(ctx, names[3]); !errors.Is(err, extlibs.ErrFull) {
			t.Errorf("one too many: %v, want ErrFull", err)
		}
		if b.persistent {
			if _, err := os.Stat(names[3]); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the refused file was created: %v", err)
			}
		}
		if err := mustOpen(t, r, names[1]).Close(); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, r, names[3])
	})
}

func TestANameThatIsNotCompleteIsErrInvalid(t *testing.T) {
	r := backends[0].registry(t)
	for _, name := range []string{"", ":memory:"} {
		if _, err := r.Open(ctx, name); !errors.Is(err, extlibs.ErrInvalid) || !strings.Contains(err.Error(), ":memory:NAME") {
			t.Errorf("Open(%q): %v", name, err)
		}
	}
}

func TestAStoreWhoseFileWasReplacedIsClosedByTheNextOpen(t *testing.T) {
	t.Parallel()
	forEachFileBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t)
		path, backup := b.storeName(t), b.storeName(t)
		h := mustOpen(t, r, backup)
		if err := h.Set(ctx, "from", "backup", 0); err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		old := mustOpen(t, r, path)
		if err := os.Rename(backup, path); err != nil {
			t.Skipf("an open file cannot be replaced here: %v", err)
		}
		fresh := mustOpen(t, r, path)
		if v, err := fresh.Get(ctx, "from"); v != "backup" || err != nil {
			t.Errorf("the new file holds %v, %v", v, err)
		}
		if err := old.Set(ctx, "k", 1, 0); !errors.Is(err, extlibs.ErrClosed) {
			t.Errorf("the store of the file that is gone: %v, want ErrClosed", err)
		}
		if n := len(r.Stores()); n != 1 {
			t.Errorf("%d stores are open", n)
		}
	})
}

var driver struct {
	sync.Mutex
	urls []string
	err  error

	fromScript bool // of the latest URL
}

func init() {
	extlibs.RegisterDriver("registrytest", func(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		driver.Lock()
		defer driver.Unlock()
		driver.urls, driver.fromScript = append(driver.urls, c.URL.String()), c.FromScript
		if driver.err != nil {
			return nil, driver.err
		}
		return openMemory(ctx)
	})
}

// openMemory is what a driver of a test opens.
func openMemory(ctx context.Context) (extlibs.Store, error) {
	h, err := newRegistry().Open(ctx, ":memory:opened by a driver")
	if err != nil {
		return nil, err
	}
	return h.Store(), nil
}

func TestADriverOpensTheURLsOfItsScheme(t *testing.T) {
	driver.urls, driver.err = nil, nil
	r := backends[0].registry(t)
	const url = "registrytest://user:secret@host/1"
	h := mustOpen(t, r, url)
	if again := mustOpen(t, r, url); again != h {
		t.Error("the same URL is another store")
	}
	if len(driver.urls) != 1 || driver.urls[0] != url {
		t.Errorf("the driver was asked for %q", driver.urls)
	}
	if err := h.Set(ctx, "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Get(ctx, "k"); !errors.Is(err, extlibs.ErrClosed) {
		t.Errorf("Get after Close: %v", err)
	}
	driver.err = errors.New("no route to host")
	_, err := r.Open(ctx, url)
	if !errors.Is(err, driver.err) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a failure of the driver: %v", err)
	}
	if n := len(r.Stores()); n != 0 {
		t.Errorf("%d stores are open", n)
	}
}

func TestAnUnknownSchemeListsThoseAtHand(t *testing.T) {
	r := backends[0].registry(t)
	for _, url := range []string{"nosuch://host", "://", "registrytest2://x"} {
		_, err := r.Open(ctx, url)
		if !errors.Is(err, extlibs.ErrInvalid) || !strings.Contains(err.Error(), "registrytest") {
			t.Errorf("Open(%q): %v", url, err)
		}
	}
}

func TestAScriptsURLIsToldFromAHostsAndCarriesNoCredentials(t *testing.T) {
	driver.urls, driver.err = nil, nil
	r := backends[0].registry(t)
	const url = "registrytest://user:secret@host/1"
	mustOpen(t, r, url)
	if driver.fromScript {
		t.Error("a host's URL is said to be a script's")
	}
	p := interpreter(r, new(bytes.Buffer))
	eval(t, p, "import scriptling.runtime.kv as kv\nkv.open('registrytest://host/2')")
	if !driver.fromScript {
		t.Error("a script's URL is said to be a host's")
	}
	// The answer is the same for the right password of a store that is open.
	for _, bad := range []string{url, "registrytest://user:guess@host/1", "registrytest://user@host/1"} {
		_, err := p.Eval("kv.open('" + bad + "')")
		if err == nil || !strings.Contains(err.Error(), "cannot contain a user or a password") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if len(driver.urls) != 2 {
		t.Errorf("the driver was asked for %q", driver.urls)
	}
}

func TestADriverThatCannotBeRegisteredPanics(t *testing.T) {
	opener := func(context.Context, extlibs.OpenConfig) (extlibs.Store, error) { return nil, nil }
	for name, register := range map[string]func(){
		"no opener":     func() { extlibs.RegisterDriver("new", nil) },
		"no scheme":     func() { extlibs.RegisterDriver("", opener) },
		"capitals":      func() { extlibs.RegisterDriver("Redis", opener) },
		"not a word":    func() { extlibs.RegisterDriver("a://", opener) },
		"taken already": func() { extlibs.RegisterDriver("registrytest", opener) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "RegisterDriver") {
					t.Errorf("the panic is %v", p)
				}
			}()
			register()
		})
	}
}
