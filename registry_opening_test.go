package extlibs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// hangingDisk is a disk on which the acts on some files do not end before they are
// released, whatever the context: a server that is down, a sync that takes long.
type hangingDisk struct {
	mu      sync.Mutex
	hangs   func(act access.Act, name string) bool
	arrived chan struct{} // gets one for each act that hangs
	release chan struct{}
}

func newHangingDisk(hangs func(access.Act, string) bool) *hangingDisk {
	return &hangingDisk{hangs: hangs, arrived: make(chan struct{}, 10_000), release: make(chan struct{})}
}

func (d *hangingDisk) hook(act access.Act, name string) error {
	d.mu.Lock()
	hangs, release := d.hangs(act, name), d.release
	d.mu.Unlock()
	if hangs {
		d.arrived <- struct{}{}
		<-release
	}
	return nil
}

// atOnce fails the test where a call waits: nothing that it needs hangs.
func atOnce(t *testing.T, what string, fn func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- fn() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%s waits for another file", what)
	}
}

// Whatever one file does, the others are opened, used, compacted and closed.
func TestAFileThatHangsDelaysOnlyThoseWhoWantIt(t *testing.T) {
	for _, phase := range []string{"while it is opened", "while it is closed", "while its driver dials"} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			in := func(name string) string { return filepath.Join(dir, name) }
			var closes atomic.Bool
			disk := newHangingDisk(func(act access.Act, name string) bool {
				switch phase {
				case "while it is opened":
					return filepath.Base(name) == "hangs.db" && act == access.ActOpen
				case "while it is closed":
					return filepath.Base(name) == "hangs.db" && act == access.ActCommit && closes.Load()
				}
				return false
			})
			must(t, os.WriteFile(in("hangs.db"), nil, 0o600))
			r := newRegistry(extlibs.DiskHook(disk.hook), extlibs.MaxCreatedFiles(100))
			named, toBeDefault := mustOpen(t, r, in("named.db")), mustOpen(t, r, in("default.db"))
			must(t, toBeDefault.Set(ctx, "k", 1, 0))
			hung := make(chan error, 1)
			name := in("hangs.db")
			switch phase {
			case "while it is opened":
				go func() {
					_, err := r.Open(ctx, in("hangs.db"))
					hung <- err
				}()
			case "while it is closed":
				h := mustOpen(t, r, in("hangs.db"))
				must(t, h.Set(ctx, "k", 1, 0))
				closes.Store(true)
				go func() { hung <- h.Close() }()
			default:
				name = "hangtest://host"
				hangTest.Store(disk)
				go func() {
					_, err := r.Open(ctx, name)
					hung <- err
				}()
			}
			<-disk.arrived

			atOnce(t, "Open of a new file", func() error { _, err := r.Open(ctx, in("new.db")); return err })
			atOnce(t, "Open of an open file", func() error { _, err := r.Open(ctx, in("named.db")); return err })
			atOnce(t, "Open of another spelling", func() error { _, err := r.Open(ctx, dir+"/./named.db"); return err })
			atOnce(t, "Open in memory", func() error { _, err := r.Open(ctx, ":memory:m"); return err })
			atOnce(t, "Set", func() error { return named.Set(ctx, "k", 1, 0) })
			atOnce(t, "Compact", func() error { return named.Compact(ctx) })
			atOnce(t, "BackupFile", func() error { return named.BackupFile(ctx, in("backup.db")) })
			atOnce(t, "Stats", func() error { _, err := r.Stats(ctx); return err })
			atOnce(t, "Stores", func() error { r.Stores(); return nil })
			atOnce(t, "Close", named.Close)
			atOnce(t, "Init of an open file", func() error { return r.Init(in("default.db")) })
			atOnce(t, "Init of the default store's file", func() error { return r.Init(in("default.db"), extlibs.MaxKeys(7)) })
			atOnce(t, "Init of a new file", func() error { return r.Init(in("init.db")) })
			atOnce(t, "Init in memory", func() error { return r.Init("") })
			atOnce(t, "a script's open and close", func() error {
				printed := output(t, r, fmt.Sprintf("import scriptling.runtime.kv as kv\ns = kv.open(%q)\ns.set('k', 1)\ns.close()\nprint('done')", in("script.db")))
				if printed != "done\n" {
					return errors.New(printed)
				}
				return nil
			})
			// A caller that wants that very store waits under its context.
			for range 3 {
				short, cancel := context.WithCancel(ctx)
				go func() {
					time.Sleep(10 * time.Millisecond)
					cancel()
				}()
				atOnce(t, "Open of the file that hangs", func() error {
					if _, err := r.Open(short, name); !errors.Is(err, context.Canceled) {
						return fmt.Errorf("it ended with %v", err)
					}
					return nil
				})
			}
			close(disk.release)
			must(t, <-hung)
			mustOpen(t, r, name)
			must(t, r.Close())
		})
	}
}

var hangTest atomic.Pointer[hangingDisk]

func init() {
	extlibs.RegisterDriver("hangtest", func(ctx context.Context, _ extlibs.OpenConfig) (extlibs.Store, error) {
		disk := hangTest.Load()
		disk.arrived <- struct{}{}
		<-disk.release
		return openMemory(ctx)
	})
}

// A thousand callers want a file that another registry holds, under four names. All
// of them share one wait, and each ends it when its own context does.
func TestAThousandOpensOfABusyFileShareOneWait(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	must(t, os.Symlink(path, filepath.Join(filepath.Dir(path), "link.db")))
	holder := onDisk.registry(t)
	mustOpen(t, holder, path)
	var opens atomic.Int32
	r := onDisk.registry(t, extlibs.LockTimeout(300*time.Millisecond), extlibs.DiskHook(func(act access.Act, name string) error {
		if act == access.ActOpen && filepath.Base(name) == "store.db" {
			opens.Add(1)
		}
		return nil
	}))
	dir := filepath.Dir(path)
	names := []string{path, dir + "//store.db", dir + "/x/../store.db", dir + "/link.db"}
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range 1024 {
		wg.Go(func() {
			_, err := r.Open(ctx, names[i%4])
			if !errors.Is(err, extlibs.ErrInUse) {
				t.Errorf("Open(%q): %v", names[i%4], err)
			}
		})
	}
	wg.Wait()
	if n := opens.Load(); n > 64 { // callers after the end of the first wait start another one
		t.Errorf("the file was opened %d times in %v", n, time.Since(begin))
	}
}

func TestAContextEndsTheWaitForABusyFile(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	holder := onDisk.registry(t)
	held := mustOpen(t, holder, path)
	must(t, held.Set(ctx, "k", 1, 0))
	r := onDisk.registry(t, extlibs.LockTimeout(time.Hour))
	short, cancel := context.WithCancel(ctx)
	stays := make(chan error, 1)
	go func() { // shares the wait, and continues when the others have left
		_, err := r.Open(ctx, path)
		stays <- err
	}()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := r.Open(short, path); !errors.Is(err, context.Canceled) {
				t.Errorf("Open: %v", err)
			}
		})
	}
	cancel()
	atOnce(t, "the end of a context", func() error { wg.Wait(); return nil })
	must(t, held.Close())
	atOnce(t, "the caller that stays", func() error { return <-stays })
	if v, err := mustOpen(t, r, path).Get(ctx, "k"); v != int64(1) || err != nil {
		t.Errorf("the value is %v, %v", v, err)
	}
}

// What was opened for callers that have all left is closed again.
func TestAnOpeningThatEverybodyHasLeftHoldsNothing(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	disk := newHangingDisk(func(act access.Act, _ string) bool { return act == access.ActLink })
	r := onDisk.registry(t, extlibs.DiskHook(disk.hook), extlibs.MaxStores(1), extlibs.MaxCreatedFiles(1))
	short, cancel := context.WithCancel(ctx)
	left := make(chan error, 1)
	go func() {
		_, err := r.Open(short, path)
		left <- err
	}()
	<-disk.arrived
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
	late := make(chan error, 1)
	go func() { // comes when the others have left, and gets the store
		h, err := r.Open(ctx, path)
		if err == nil {
			err = h.Set(ctx, "k", 1, 0)
		}
		if err == nil {
			err = h.Close()
		}
		late <- err
	}()
	close(disk.release)
	if err := <-late; err != nil {
		t.Errorf("a later Open: %v", err)
	}
	other := onDisk.registry(t)
	if v, err := mustOpen(t, other, path).Get(ctx, "k"); v != int64(1) || err != nil {
		t.Errorf("another registry: %v, %v", v, err)
	}
	if n := len(r.Stores()); n != 0 {
		t.Errorf("%d stores are open", n)
	}
	mustOpen(t, r, ":memory:the one place") // was given back
}

func TestACloseObeysItsContextAndGoesOn(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	var closes atomic.Bool
	disk := newHangingDisk(func(act access.Act, _ string) bool { return act == access.ActCommit && closes.Load() })
	r := onDisk.registry(t, extlibs.DiskHook(disk.hook))
	p := interpreter(r, new(bytes.Buffer))
	must(t, p.SetVar("path", path))
	eval(t, p, "import scriptling.runtime.kv as kv\ns = kv.open(path)\ns.set('k', 1)")
	closes.Store(true)
	short, cancel := context.WithCancel(ctx)
	go func() {
		<-disk.arrived
		cancel()
	}()
	atOnce(t, "a script's close", func() error {
		_, err := p.EvalWithContext(short, "s.close()")
		if err == nil {
			return errors.New("it ended without an error")
		}
		return nil
	})
	// The handle is closed, and the next open waits for the file under its context.
	ended, end := context.WithTimeout(ctx, 20*time.Millisecond)
	defer end()
	if _, err := r.Open(ended, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open during the close: %v", err)
	}
	closes.Store(false)
	close(disk.release)
	if v, err := mustOpen(t, r, path).Get(ctx, "k"); v != int64(1) || err != nil {
		t.Errorf("after the close: %v, %v", v, err)
	}
}

func TestACloseOfTheRegistryEndsTheOpensThatWait(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	holder := onDisk.registry(t)
	mustOpen(t, holder, path)
	r := newRegistry(extlibs.LockTimeout(time.Hour))
	var wg sync.WaitGroup
	started := make(chan struct{}, 10)
	for range 10 {
		wg.Go(func() {
			started <- struct{}{}
			if _, err := r.Open(ctx, path); !errors.Is(err, extlibs.ErrClosed) {
				t.Errorf("Open: %v", err)
			}
		})
	}
	for range 10 {
		<-started
	}
	atOnce(t, "Registry.Close", func() error {
		for { // an Open that came later is one of the registry that is open again
			if err := r.Close(); err != nil {
				return err
			}
			done := make(chan struct{})
			go func() { wg.Wait(); close(done) }()
			select {
			case <-done:
				return nil
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
}

// A driver or a disk that panics is an error of that store for all waiting callers.
func TestAPanicWhileAStoreIsOpenedOrClosedIsAnError(t *testing.T) {
	dialWith(func(context.Context, extlibs.OpenConfig) (extlibs.Store, error) { panic("a bug") })
	var logged bytes.Buffer
	panics := atomic.Bool{}
	r := newRegistry(extlibs.Logger(slog.New(slog.NewTextHandler(&logged, nil))), extlibs.DiskHook(func(act access.Act, _ string) error {
		if panics.Load() {
			panic("a bug")
		}
		return nil
	}))
	if _, err := r.Open(ctx, "dialtest://host"); !errors.Is(err, extlibs.ErrUnavailable) {
		t.Errorf("a driver: %v", err)
	}
	path := onDisk.storeName(t)
	panics.Store(true)
	if _, err := r.Open(ctx, path); !errors.Is(err, extlibs.ErrUnavailable) {
		t.Errorf("a file: %v", err)
	}
	panics.Store(false)
	h := mustOpen(t, r, path)
	must(t, h.Set(ctx, "k", 1, 0))
	if n := strings.Count(logged.String(), "a bug"); n < 2 {
		t.Errorf("logged:\n%s", logged.String())
	}
	must(t, r.Close())
}

// Whatever opens, closes, compactions and Inits do to a few files under many names at
// once: all handles of a file share its keys, and no caller finds the file in use.
func TestConcurrentOpensOfManySpellingsAreOneStorePerFile(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir := filepath.Join(base, "data")
	must(t, os.Mkdir(dir, 0o700))
	if err := os.Symlink(dir, filepath.Join(base, "link")); err != nil {
		t.Skip(err)
	}
	r := onDisk.registry(t, extlibs.LogBytes(1), extlibs.LockTimeout(200*time.Millisecond))
	rounds := 40
	if testing.Short() {
		rounds = 12
	}
	for round := range rounds { // each has files that do not exist yet
		name := func(rng *rand.Rand, file int) string {
			f := fmt.Sprintf("%d-%d.db", round, file)
			switch rng.IntN(3) {
			case 0:
				return filepath.Join(dir, f)
			case 1:
				return filepath.Join(base, "link", f) // the path of a file that is new differs
			}
			return dir + "/../data/./" + f
		}
		const files = 2
		var added [files]atomic.Int64
		var wg sync.WaitGroup
		for g := range 8 {
			rng := kvtest.Rand(t, uint64(round), uint64(g))
			wg.Go(func() {
				for range 6 {
					file := rng.IntN(files)
					h, err := r.Open(ctx, name(rng, file))
					if err != nil {
						t.Errorf("Open: %v", err)
						return
					}
					if _, err := h.Incr(ctx, "n", 1, 0); err == nil {
						added[file].Add(1)
					} else if !errors.Is(err, extlibs.ErrClosed) {
						t.Errorf("Incr: %v", err)
					}
					switch rng.IntN(6) {
					case 0:
						if err := h.Close(); err != nil {
							t.Errorf("Close: %v", err)
						}
					case 1, 2:
						if err := h.Compact(ctx); err != nil && !errors.Is(err, extlibs.ErrClosed) {
							t.Errorf("Compact: %v", err)
						}
					case 3:
						if g == 0 {
							if err := r.Init(name(rng, file)); err != nil {
								t.Errorf("Init: %v", err)
							}
						}
					}
				}
			})
		}
		wg.Wait()
		must(t, r.Init(""))
		for file := range files {
			want := added[file].Load()
			if want == 0 {
				continue
			}
			h := mustOpen(t, r, filepath.Join(dir, fmt.Sprintf("%d-%d.db", round, file)))
			if v, err := h.Get(ctx, "n"); v != want || err != nil {
				t.Fatalf("round %d: %v of %d calls counted, %v", round, v, want, err)
			}
			must(t, h.Close())
		}
	}
}

// A thousand tasks that open a busy file do not delay another script's close.
func TestTasksThatOpenABusyFileDoNotDelayTheCloseOfAnother(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	holder := onDisk.registry(t)
	mustOpen(t, holder, path)
	r := onDisk.registry(t, extlibs.LockTimeout(time.Hour))
	var out bytes.Buffer
	p := interpreter(r, &out)
	must(t, p.SetVar("busy", path))
	must(t, p.SetVar("mine", filepath.Join(t.TempDir(), "mine.db")))
	atOnce(t, "a script's close", func() error {
		_, err := p.Eval(`
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
def work(name):
    kv.open(name)
s = kv.open(mine)
for i in range(1000):
    runtime.background("t", "work", busy)
s.set("k", 1)
s.close()
kv.open(mine).close()
`)
		return err
	})
	atOnce(t, "Registry.Close", r.Close)
}
