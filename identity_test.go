//go:build unix

package extlibs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	bolt "go.etcd.io/bbolt"
)

var silent = extlibs.Logger(slog.New(slog.DiscardHandler))

// killed leaves copies of a store's two files, as kill -9 does, in a new folder.
func killed(t *testing.T, path string) (copied string) {
	t.Helper()
	copied = filepath.Join(t.TempDir(), "app.db")
	for _, suffix := range []string{"", "-log"} {
		if b, err := os.ReadFile(path + suffix); err == nil {
			write(t, copied+suffix, b)
		} else if suffix == "" {
			t.Fatal(err)
		}
	}
	return copied
}

func logWithoutNews(t *testing.T) string {
	path := onDisk.storeName(t)
	h := mustOpen(t, onDisk.registry(t), path)
	must(t, h.Set(ctx, "precious", 1, 0))
	must(t, h.Compact(ctx)) // a checkpoint
	return killed(t, path)
}

// logs are states of a log that its file needs, each as a crash leaves it.
var logs = map[string]func(t *testing.T) (path string){
	"with records": func(t *testing.T) string {
		path := onDisk.storeName(t)
		h := mustOpen(t, onDisk.registry(t), path)
		must(t, h.Set(ctx, "precious", 1, 0))
		return killed(t, path)
	},
	"with records that the file has": logWithoutNews,
	"cleaned after a crash": func(t *testing.T) string {
		path := logWithoutNews(t)
		mustOpen(t, onDisk.registry(t), path)
		return killed(t, path)
	},
	"never written to": func(t *testing.T) string {
		path := onDisk.storeName(t)
		r := newRegistry()
		must(t, mustOpen(t, r, path).Set(ctx, "precious", 1, 0))
		must(t, r.Close())
		h := mustOpen(t, onDisk.registry(t), path)
		must(t, h.Compact(ctx)) // which makes the log
		return killed(t, path)
	},
	"of a large call": func(t *testing.T) string {
		path := onDisk.storeName(t)
		h := mustOpen(t, onDisk.registry(t, extlibs.LogBytes(1)), path)
		must(t, h.Set(ctx, "precious", string(make([]byte, 100_000)), 0))
		return killed(t, path)
	},
}

// Whatever a new store does with the name of one that was moved away after a crash, the
// log stays for the file that names it, which is opened with it in the same folder.
func TestALogIsKeptForTheFileThatNamesIt(t *testing.T) {
	t.Parallel()
	for state, leave := range logs {
		for name, use := range map[string]func(t *testing.T, path string){
			"opened": func(t *testing.T, path string) {},
			"read":   func(t *testing.T, path string) { mustOpen(t, onDisk.registry(t, silent), path) },
			"written": func(t *testing.T, path string) {
				must(t, mustOpen(t, onDisk.registry(t, silent), path).Set(ctx, "new", 1, 0))
			},
			"compacted": func(t *testing.T, path string) {
				must(t, mustOpen(t, onDisk.registry(t, silent), path).Compact(ctx))
			},
		} {
			for _, readOnly := range []bool{false, true} {
				t.Run(fmt.Sprint(state, "/", name, "/", readOnly), func(t *testing.T) {
					path := leave(t)
					moved := path + ".old"
					must(t, os.Rename(path, moved))
					r := newRegistry(silent)
					mustOpen(t, r, path)
					must(t, r.Close())
					use(t, path)
					opts := []extlibs.Option{silent}
					if readOnly {
						opts = append(opts, extlibs.ReadOnly())
					}
					h, err := onDisk.registry(t, opts...).Open(ctx, moved)
					if err != nil {
						t.Fatalf("the moved store: %v", err)
					}
					if !has(t, h, "precious") {
						t.Error("it lacks what was acknowledged")
					}
				})
			}
		}
	}
}

// A copy of a file, made while that was open, names the same log.
func TestTwoStoresDoNotShareALog(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	h := mustOpen(t, onDisk.registry(t), path)
	must(t, h.Set(ctx, "a", 1, 0))
	file := read(t, path)
	copied := path + ".copy"
	write(t, copied, file)
	must(t, os.Link(path+"-log", copied+"-log"))
	if _, err := onDisk.registry(t).Open(ctx, copied); !errors.Is(err, extlibs.ErrInUse) {
		t.Errorf("a copy with the log of a store that is open: %v", err)
	}
	must(t, h.Set(ctx, "b", 1, 0))
}

// No failure to tidy up what is left beside a complete store keeps it from opening, from
// being written, and from closing.
func TestALeftOverThatCannotBeTidiedUpStopsNothing(t *testing.T) {
	t.Parallel()
	leftovers := map[string]func(t *testing.T, path string){
		"of this store, closed": func(t *testing.T, path string) {
			log := read(t, path+"-log")
			write(t, path+"-log.kept", log)
		},
		"never made": func(t *testing.T, path string) { write(t, path+"-log.kept", make([]byte, 10_000)) },
		"of another store": func(t *testing.T, path string) {
			write(t, path+"-log.kept", read(t, logs["with records"](t)+"-log"))
		},
		"of another store, without a record": func(t *testing.T, path string) {
			write(t, path+"-log.kept", read(t, logs["never written to"](t)+"-log"))
		},
	}
	for name, leave := range leftovers {
		for _, act := range []access.Act{access.ActRemove, access.ActRename, access.ActOpen, access.ActRemove + access.ActRename} {
			for _, errno := range []syscall.Errno{syscall.EACCES, syscall.EPERM, syscall.EBUSY, syscall.EIO, syscall.EROFS} {
				t.Run(fmt.Sprint(name, "/", act, "/", errno), func(t *testing.T) {
					path := onDisk.storeName(t)
					r := newRegistry()
					must(t, mustOpen(t, r, path).Set(ctx, "before", 1, 0))
					leave(t, path)
					must(t, r.Close())
					must(t, os.Rename(path+"-log.kept", path+"-log"))
					r = newRegistry(silent, extlibs.DiskHook(func(a access.Act, name string) error {
						if strings.Contains(string(act), string(a)) && strings.Contains(filepath.Base(name), "store.db-log") {
							return &fs.PathError{Op: string(a), Path: name, Err: errno}
						}
						return nil
					}))
					h, err := r.Open(ctx, path)
					if err != nil {
						t.Fatalf("a complete store does not open: %v", err)
					}
					if !has(t, h, "before") {
						t.Error("it lacks what was stored")
					}
					if err := h.Set(ctx, "after", 1, 0); err != nil {
						t.Errorf("a write: %v", err)
					}
					if err := r.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
					if h := mustOpen(t, onDisk.registry(t, silent), path); !has(t, h, "before") || !has(t, h, "after") {
						t.Error("opened again it lacks something")
					}
				})
			}
		}
	}
}

// All files that are made beside a store have its owner and its mode whenever something
// is made durable, and so has the file itself after whatever was done to it.
func TestFilesKeepTheOwnerAndTheModeOfTheirStore(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o660, 0o644, 0o606} {
		t.Run(mode.String(), func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "store.db")
			uid, gid := os.Geteuid(), os.Getegid()
			if uid == 0 {
				uid, gid = 65534, 65534
			}
			own := func() {
				t.Helper()
				must(t, errors.Join(os.Chown(path, uid, gid), os.Chmod(path, mode)))
			}
			made := map[string]bool{}
			var mu sync.Mutex
			armed := false
			look := func(when string) {
				entries, _ := os.ReadDir(dir)
				for _, e := range entries {
					info, err := e.Info()
					if err != nil {
						continue
					}
					name := e.Name()
					if strings.HasPrefix(name, ".kv-") { // the kind of a temporary file
						name = strings.Join(strings.SplitAfterN(name, "-", 3)[:2], "")
					}
					made[name] = true
					st := info.Sys().(*syscall.Stat_t)
					if info.Mode().Perm() != mode || int(st.Uid) != uid || int(st.Gid) != gid {
						t.Errorf("%s: %s has mode %v and owner %d:%d, not %v and %d:%d", when, e.Name(), info.Mode(), st.Uid, st.Gid, mode, uid, gid)
					}
				}
			}
			r := onDisk.registry(t, extlibs.DiskHook(func(act access.Act, name string) error {
				mu.Lock()
				defer mu.Unlock()
				if armed && strings.HasPrefix(string(act), "sync") || armed && act == access.ActRename {
					look(string(act))
				}
				return nil
			}))
			write(t, path, nil)
			own()
			armed = true
			h := mustOpen(t, r, path) // an empty file is replaced by a store
			look("created")
			must(t, h.Set(ctx, "a", 1, 0))
			must(t, h.Compact(ctx))
			look("compacted")
			must(t, h.Backup(ctx, io.Discard))
			must(t, h.BackupFile(ctx, path+".backup"))
			look("backed up")
			log := read(t, path+"-log")
			file := read(t, path)
			must(t, r.Close())
			look("closed")
			armed = false
			write(t, path, file) // after a crash of a process of another user
			write(t, path+"-log", log)
			own()
			must(t, os.Chmod(path+"-log", 0o600))
			must(t, r.Init(""))
			mustOpen(t, r, path)
			look("opened after a crash")
			must(t, r.Close())
			for _, name := range []string{"store.db", "store.db-log", "store.db.backup", ".kv-new-", ".kv-compact-", ".kv-backup-"} {
				if !made[name] {
					t.Errorf("no %s was checked, only %v", name, made)
				}
			}
		})
	}
}

// While Init waits for the end of a compaction to open the default store again, the file that
// the compaction puts in place is found under another name of its folder.
func TestAFileThatInitOpensAgainIsNotInUse(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir, moved := filepath.Join(base, "data"), filepath.Join(base, "moved")
	must(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "store.db")
	var armed atomic.Bool
	reached, goOn := make(chan access.Act), make(chan struct{})
	r := onDisk.registry(t, extlibs.LogBytes(1), extlibs.LockTimeout(0), extlibs.DiskHook(func(act access.Act, _ string) error {
		if armed.Load() && (act == access.ActRename || act == access.ActSyncDir) {
			reached <- act
			<-goOn
		}
		return nil
	}))
	must(t, r.Init(path))
	h := r.Default()
	for i := range 50 {
		must(t, h.Set(ctx, fmt.Sprint(i), strings.Repeat("x", 10_000), 0))
	}
	must(t, h.Clear(ctx))
	must(t, h.Set(ctx, "n", 1, 0))
	armed.Store(true)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { h.Compact(ctx) }) // may find itself closed
	if act := <-reached; act != access.ActRename {
		t.Fatalf("%q comes first", act)
	}
	wg.Go(func() {
		if err := r.Init(path); err != nil {
			t.Errorf("Init: %v", err)
		}
	})
	for extlibs.DefaultIsOpen(r) {
		runtime.Gosched()
	}
	goOn <- struct{}{}
	<-reached // the new file has the name
	armed.Store(false)
	must(t, os.Rename(dir, moved))
	must(t, os.Symlink(moved, dir))
	opened := make(chan error, 1)
	go func() {
		h, err := r.Open(ctx, filepath.Join(moved, "store.db"))
		if err == nil && !has(t, h, "n") {
			err = errors.New("the store lacks what was stored")
		}
		opened <- err
	}()
	var err error
	select {
	case err = <-opened:
		close(goOn)
	case <-time.After(100 * time.Millisecond): // it waits, too
		close(goOn)
		err = <-opened
	}
	if err != nil {
		t.Errorf("Open: %v", err)
	}
}

func TestAnErrorOfPermissionNamesTheFile(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"store.db": "the file", "store.db-log": "its log store.db-log"} {
		path := onDisk.storeName(t)
		h := mustOpen(t, onDisk.registry(t), path)
		must(t, h.Set(ctx, "a", 1, 0))
		copied := filepath.Join(filepath.Dir(killed(t, path)), "store.db")
		must(t, os.Rename(filepath.Join(filepath.Dir(copied), "app.db"), copied))
		must(t, os.Rename(filepath.Join(filepath.Dir(copied), "app.db-log"), copied+"-log"))
		r := onDisk.registry(t, extlibs.DiskHook(func(act access.Act, file string) error {
			if act == access.ActOpen && file == name {
				return &fs.PathError{Op: "open", Path: file, Err: syscall.EACCES}
			}
			return nil
		}))
		_, err := r.Open(ctx, copied)
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(fmt.Sprint(err), "no permission to open "+want+" (mode 0600, user ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// mounted is a registry that takes each file for one that is mounted by itself.
func mounted(t *testing.T, opts ...extlibs.Option) *extlibs.Registry {
	return onDisk.registry(t, append(opts, silent, extlibs.DiskHook(func(act access.Act, _ string) error {
		if act == access.ActMount {
			return errors.New("it is one")
		}
		return nil
	}))...)
}

// After each write the file alone is all of the store: nothing beside it stays.
func TestAFileThatIsMountedByItselfHasAllOfItsStore(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) (path string){
		"empty": func(t *testing.T) string {
			path := onDisk.storeName(t)
			write(t, path, nil)
			return path
		},
		"a store": func(t *testing.T) string {
			path := onDisk.storeName(t)
			r := newRegistry()
			must(t, mustOpen(t, r, path).Set(ctx, "precious", 1, 0))
			must(t, r.Close())
			return path
		},
		"with its log":                 logs["with records"],
		"with a log that is not read":  logs["cleaned after a crash"],
		"with a log of another mount":  logs["never written to"],
		"with the records of its file": logs["with records that the file has"],
	} {
		for modeName, mode := range map[string]extlibs.Mode{"durable": extlibs.Always(), "interval": extlibs.Interval(time.Hour)} {
			t.Run(name+"/"+modeName, func(t *testing.T) {
				path := start(t)
				h := mustOpen(t, mounted(t, extlibs.Durability(mode)), path)
				keys := []string{}
				if name != "empty" {
					keys = append(keys, "precious")
				}
				for i, size := range []int{0, 1, 1, kvtest.Sized(1_000_000, 10_000_000, 10_000_000), 100} { // one is larger than the log
					if i > 0 {
						key := fmt.Sprint(i)
						must(t, h.Set(ctx, key, string(make([]byte, size)), 0))
						keys = append(keys, key)
					}
					alone := filepath.Join(t.TempDir(), "host.db")
					write(t, alone, read(t, path))
					other := mustOpen(t, onDisk.registry(t), alone)
					for _, key := range keys {
						if !has(t, other, key) {
							t.Errorf("after write %d the file alone lacks %s", i, key)
						}
					}
				}
				if err := h.Compact(ctx); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "mount the folder") {
					t.Errorf("compact: %v", err)
				}
				must(t, h.BackupFile(ctx, filepath.Join(t.TempDir(), "backup.db")))
				if got := names(t, filepath.Dir(path)); len(got) != 1 {
					t.Errorf("beside the file there is %q", got)
				}
			})
		}
	}
	path := logs["with records"](t)
	must(t, os.Remove(path+"-log"))
	if _, err := mounted(t).Open(ctx, path); !errors.Is(err, extlibs.ErrCorrupt) || !strings.Contains(err.Error(), "mount that folder") {
		t.Errorf("without the log that it needs: %v", err)
	}
}

// A file without a store in it is a new store only where no log shows that it had one.
func TestAnEmptyFileBesideALogIsNoNewStore(t *testing.T) {
	t.Parallel()
	for state, leave := range logs {
		for name, empty := range map[string]func(t *testing.T, path string){
			"cut to nothing": func(t *testing.T, path string) { write(t, path, nil) },
			"of the engine alone": func(t *testing.T, path string) {
				must(t, os.Remove(path))
				db, err := bolt.Open(path, 0o600, nil)
				must(t, err)
				must(t, db.Close())
			},
		} {
			t.Run(state+"/"+name, func(t *testing.T) {
				path := leave(t)
				empty(t, path)
				file, log := read(t, path), read(t, path+"-log")
				for what, r := range map[string]*extlibs.Registry{"opened": onDisk.registry(t), "read": onDisk.registry(t, extlibs.ReadOnly()), "mounted": mounted(t)} {
					if _, err := r.Open(ctx, path); !errors.Is(err, extlibs.ErrCorrupt) || !strings.Contains(fmt.Sprint(err), "app.db-log") {
						t.Errorf("%s: %v", what, err)
					}
				}
				d, err := boltfile.OpenDamaged(path, time.Second)
				must(t, err)
				defer d.Close()
				report, err := d.Check(context.Background(), nil)
				must(t, err)
				if len(report.Damage) == 0 || report.Keys == 0 || !report.Log {
					t.Errorf("check says %+v", report)
				}
				if !bytes.Equal(read(t, path), file) || !bytes.Equal(read(t, path+"-log"), log) {
					t.Error("the files were changed")
				}
			})
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
