//go:build unix

package extlibs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// headers returns where the newer and the older header of a file are.
func headers(file []byte) (newer, older int) {
	const at, tx = 16, 48 // of the header in its page, and of its number in it
	size := int(binary.LittleEndian.Uint32(file[at+8:]))
	first, second := binary.LittleEndian.Uint64(file[at+tx:]), binary.LittleEndian.Uint64(file[size+at+tx:])
	if second > first {
		return size + at, at
	}
	return at, size + at
}

// torn are copies of a file whose newer or older header is damaged.
func torn(file []byte) map[string][]byte {
	newer, older := headers(file)
	all := map[string][]byte{}
	for name, damage := range map[string]func(file []byte){
		"newer header, second half is another's": func(b []byte) { copy(b[newer+32:newer+64], b[older+32:older+64]) },
		"newer header, a bit":                    func(b []byte) { b[newer+40] ^= 4 },
		"newer header, all":                      func(b []byte) { clear(b[newer-16 : newer+64]) },
		"older header, a bit":                    func(b []byte) { b[older+56] ^= 4 },
		"older header, all":                      func(b []byte) { clear(b[older-16 : older+64]) },
	} {
		b := append([]byte(nil), file...)
		damage(b)
		if !bytes.Equal(b[newer:newer+64], file[older:older+64]) {
			all[name] = b
		}
	}
	return all
}

func TestATornHeaderFallsBackToTheCommitBeforeWhichTheLogCompletes(t *testing.T) {
	type store struct {
		t      *testing.T
		path   string
		h      *extlibs.Handle
		n      int
		verify extlibs.Option
	}
	set := func(s *store, keys int) {
		for range keys {
			if err := s.h.Set(ctx, fmt.Sprintf("%03d", s.n), s.n, 0); err != nil {
				s.t.Fatal(err)
			}
			s.n++
		}
	}
	do := func(s *store, err error) {
		if s.t.Helper(); err != nil {
			s.t.Fatal(err)
		}
	}
	for name, history := range map[string]func(s *store){
		"one checkpoint": func(s *store) { set(s, 50); do(s, s.h.Compact(ctx)); set(s, 3) },
		// A backup begins with a checkpoint, so that none is under way afterwards.
		"a few keys":            func(s *store) { set(s, 3) },
		"laps of the log":       func(s *store) { set(s, 900); do(s, s.h.BackupFile(ctx, s.path+".backup")) },
		"nothing since":         func(s *store) { set(s, 30); do(s, s.h.BackupFile(ctx, s.path+".backup")) },
		"a large call":          func(s *store) { set(s, 10); large(t, s.h, &s.n, 100) },
		"behind a large call":   func(s *store) { set(s, 10); large(t, s.h, &s.n, 100); set(s, 5) },
		"a large call at first": func(s *store) { large(t, s.h, &s.n, 100) },
		"a clear": func(s *store) {
			set(s, 50)
			do(s, s.h.BackupFile(ctx, s.path+".backup"))
			do(s, s.h.Clear(ctx))
			s.n = 0
			set(s, 5)
		},
		"opened after a crash": func(s *store) {
			set(s, 50)
			do(s, s.h.BackupFile(ctx, s.path+".backup"))
			set(s, 7)
			do(s, s.h.BackupFile(ctx, s.path+".backup"))
			copied := onDisk.storeName(s.t)
			copyCrashed(s.t, s.path, copied)
			s.path, s.h = copied, mustOpen(s.t, onDisk.registry(s.t, extlibs.LogBytes(1), s.verify), copied)
		},
	} {
		for _, lazy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, leaves read later: %v", name, lazy), func(t *testing.T) {
				s := &store{t: t, path: onDisk.storeName(t), verify: extlibs.VerifyBytes(0)}
				if lazy {
					s.verify = extlibs.VerifyBytes(-1)
				}
				s.h = mustOpen(t, onDisk.registry(t, extlibs.LogBytes(1), s.verify), s.path)
				history(s)
				copied := onDisk.storeName(t)
				copyCrashed(t, s.path, copied)
				file, log := read(t, copied), read(t, copied+"-log")
				for what, b := range torn(file) {
					write(t, copied, b)
					write(t, copied+"-log", log)
					if n, err := prefix(t, copied, extlibs.ReadOnly(), s.verify); n != s.n || err != nil {
						t.Errorf("%s, read only: %d keys of %d, %v", what, n, s.n, err)
					}
					for _, when := range []string{"opened", "opened again"} {
						if n, err := prefix(t, copied, s.verify); n != s.n || err != nil {
							t.Errorf("%s, %s: %d keys of %d, %v", what, when, n, s.n, err)
						}
					}
				}
			})
		}
	}
}

// large sets so many keys that they don't fit into a log of the least size.
func large(t *testing.T, h *extlibs.Handle, n *int, keys int) {
	t.Helper()
	many := map[string]any{}
	for range keys {
		many[fmt.Sprintf("%03d", *n)] = *n
		*n++
	}
	many["fill"] = string(make([]byte, 20_000))
	if err := h.SetMany(ctx, many, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Delete(ctx, "fill"); err != nil {
		t.Fatal(err)
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

func TestATornHeaderWithoutALogThatCompletesItIsRefused(t *testing.T) {
	t.Parallel()
	file, log := crashed(t, 20)
	path := onDisk.storeName(t)
	write(t, path, file)
	write(t, path+"-log", log)
	if n, err := prefix(t, path); n != 20 || err != nil { // and so it is closed
		t.Fatal(n, err)
	}
	closed := read(t, path)
	_, other := crashed(t, 20)
	for what, b := range torn(closed) {
		// The log of the time before may be there again after a power cut.
		for with, log := range map[string][]byte{"no log": nil, "another store's log": other, "zeros": make([]byte, 5000)} {
			write(t, path, b)
			os.Remove(path + "-log")
			if log != nil {
				write(t, path+"-log", log)
			}
			// The commit of the close says that nothing after it can have been acknowledged.
			whole := strings.HasPrefix(what, "older") && log == nil
			for _, o := range [][]extlibs.Option{{extlibs.ReadOnly()}, nil} {
				n, err := prefix(t, path, o...)
				if whole && (n != 20 || err != nil) || !whole && !errors.Is(err, extlibs.ErrCorrupt) {
					t.Errorf("%s, %s: %d keys, %v", what, with, n, err)
				}
			}
			if now := read(t, path); string(now) != string(b) && log == nil && !whole {
				t.Errorf("%s, %s: the file was changed", what, with)
			}
		}
	}
}

// Behind a first header that is torn the engine looks for another one of any page size.
func TestAHeaderInAnotherPlaceIsNotFollowed(t *testing.T) {
	file, log := crashed(t, 20)
	size := int(binary.LittleEndian.Uint32(file[24:]))
	other := append([]byte(nil), file[size+16:size+80]...)
	clear(file[:size])
	const small = 1024
	binary.LittleEndian.PutUint32(other[8:], small)
	sum := fnv.New64a()
	sum.Write(other[:56])
	binary.LittleEndian.PutUint64(other[56:], sum.Sum64())
	copy(file[small+16:], other)
	path := onDisk.storeName(t)
	write(t, path, file)
	write(t, path+"-log", log)
	for _, o := range [][]extlibs.Option{{extlibs.ReadOnly()}, nil} {
		if n, err := prefix(t, path, o...); !errors.Is(err, extlibs.ErrCorrupt) || !strings.Contains(err.Error(), "meta pages are damaged") {
			t.Errorf("%d keys, %v", n, err)
		}
	}
}

// A write that did without a log is in the commits of both headers.
func TestATornHeaderBesideTheLogOfTheTimeBeforeHidesNothing(t *testing.T) {
	file, log := crashed(t, 20)
	path := onDisk.storeName(t)
	write(t, path, file)
	write(t, path+"-log", log)
	if n, err := prefix(t, path); n != 20 || err != nil {
		t.Fatal(n, err)
	}
	r := newRegistry(extlibs.DiskHook(func(act access.Act, name string) error {
		if act == access.ActCreate && filepath.Base(name) == "store.db-log" {
			return &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
		return nil
	}))
	h := mustOpen(t, r, path)
	if err := h.Set(ctx, "020", 20, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for what, b := range torn(read(t, path)) {
		write(t, path, b)
		write(t, path+"-log", log)
		if n, err := prefix(t, path); n != 21 || err != nil {
			t.Errorf("%s: %d keys, %v", what, n, err)
		}
	}
}

// The first commit that names a log may be the one that tears.
func TestAHeaderThatTearsWhenTheLogBeginsLosesNothing(t *testing.T) {
	t.Parallel()
	var files, logs [][]byte
	path := onDisk.storeName(t)
	r := newRegistry(extlibs.DiskHook(func(act access.Act, _ string) error {
		if act == access.ActSyncLog {
			file, _ := os.ReadFile(path)
			log, _ := os.ReadFile(path + "-log")
			files, logs = append(files, file), append(logs, log)
		}
		return nil
	}))
	h := mustOpen(t, r, path)
	if err := h.Set(ctx, "000", 0, 0); err != nil {
		t.Fatal(err)
	}
	if len(logs) != 2 {
		t.Fatalf("the log was synced %d times, not when it was made and for the record", len(logs))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	_, next := headers(files[0])
	clear(files[0][next : next+64]) // where the commit that names the log goes
	write(t, path, files[0])
	write(t, path+"-log", logs[1])
	if n, err := prefix(t, path); !errors.Is(err, extlibs.ErrCorrupt) {
		t.Errorf("with a record that is only written after that commit: %d keys, %v", n, err)
	}
	for range 2 {
		write(t, path+"-log", logs[0])
		if n, err := prefix(t, path); n != 0 || err != nil {
			t.Errorf("before the first record: %d keys, %v", n, err)
		}
		if got := names(t, filepath.Dir(path)); len(got) != 1 {
			t.Errorf("after an orderly close there is %q", got)
		}
	}
}

// A checkpoint of interval mode may be ahead of the log's last sync.
func TestInIntervalModeTheLogOnDiskCompletesATornHeader(t *testing.T) {
	t.Parallel()
	var synced atomic.Pointer[[]byte] // the log, as the disk has it
	path := onDisk.storeName(t)
	r := newRegistry(extlibs.Durability(extlibs.Interval(time.Hour)), extlibs.DiskHook(func(act access.Act, _ string) error {
		if act == access.ActSyncLog {
			log, _ := os.ReadFile(path + "-log")
			synced.Store(&log)
		}
		return nil
	}))
	h := mustOpen(t, r, path)
	defer r.Close()
	for i := range 20 {
		if err := h.Set(ctx, fmt.Sprintf("%03d", i), i, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.BackupFile(ctx, path+".backup"); err != nil { // which begins with a checkpoint
		t.Fatal(err)
	}
	copied := onDisk.storeName(t)
	for what, b := range torn(read(t, path)) {
		write(t, copied, b)
		write(t, copied+"-log", *synced.Load())
		if n, err := prefix(t, copied); n != 20 || err != nil {
			t.Errorf("%s: %d keys, %v", what, n, err)
		}
	}
}

func TestTheLogOfAFileThatWasMovedAwayIsKept(t *testing.T) {
	path, moved := onDisk.storeName(t), onDisk.storeName(t)
	r := onDisk.registry(t)
	file, log := crashed(t, 20)
	write(t, moved, file)
	write(t, path+"-log", log)
	h := mustOpen(t, r, path)
	if err := h.Set(ctx, "another", 1, 0); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(path + "-log-*")
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept are %q, %v", kept, err)
	}
	if err := os.Rename(kept[0], moved+"-log"); err != nil {
		t.Fatal(err)
	}
	if n, err := prefix(t, moved); n != 20 || err != nil {
		t.Errorf("together again: %d keys, %v", n, err)
	}

	path = onDisk.storeName(t)
	write(t, path+"-log", log)
	write(t, path+filepath.Base(kept[0])[len("store.db"):], log) // and a copy of it
	h = mustOpen(t, r, path)
	if err := h.Set(ctx, "another", 1, 0); !errors.Is(err, extlibs.ErrInUse) || !strings.Contains(err.Error(), "store.db-log") {
		t.Errorf("a set where the log has no name to go to: %v", err)
	}
	if got := read(t, path+"-log"); !bytes.Equal(got, log) {
		t.Error("the log was changed")
	}
}

func TestALogThatIsLeftOverIsRemoved(t *testing.T) {
	t.Parallel()
	for name, log := range map[string]func(closed, unused []byte) []byte{
		"of a store that was closed": func(closed, unused []byte) []byte { return closed },
		"that was never written to":  func(closed, unused []byte) []byte { return unused },
		"that was being made":        func(closed, unused []byte) []byte { return make([]byte, 123_456) },
		"that was being created":     func(closed, unused []byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			path := onDisk.storeName(t)
			var unused, closed []byte
			r := newRegistry(extlibs.DiskHook(func(act access.Act, _ string) error {
				if b, err := os.ReadFile(path + "-log"); act == access.ActSyncLog && err == nil && unused == nil {
					unused = b
				} else if act == access.ActSyncLog && err == nil {
					closed = b
				}
				return nil
			}))
			h := mustOpen(t, r, path)
			if err := h.Set(ctx, "000", 0, 0); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			write(t, path+"-log", log(closed, unused))
			if n, err := prefix(t, path); n != 1 || err != nil {
				t.Errorf("%d keys, %v", n, err)
			}
			if got := names(t, filepath.Dir(path)); len(got) != 1 {
				t.Errorf("there is %q", got)
			}
		})
	}
}
