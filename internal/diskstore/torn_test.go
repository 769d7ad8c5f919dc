//go:build unix

package diskstore

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

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// metaPages returns where the newer and the older meta page of a file are.
func metaPages(file []byte) (newer, older int) {
	const at, tx = 16, 48 // of the header in its page, and of its number in it
	size := int(binary.LittleEndian.Uint32(file[at+8:]))
	first, second := binary.LittleEndian.Uint64(file[at+tx:]), binary.LittleEndian.Uint64(file[size+at+tx:])
	if second > first {
		return size + at, at
	}
	return at, size + at
}

// torn are copies of a file whose newer or older meta page is damaged.
func torn(file []byte) map[string][]byte {
	newer, older := metaPages(file)
	all := map[string][]byte{}
	for name, damage := range map[string]func(file []byte){
		"newer meta page, second half is another's": func(b []byte) { copy(b[newer+32:newer+64], b[older+32:older+64]) },
		"newer meta page, a bit":                    func(b []byte) { b[newer+40] ^= 4 },
		"newer meta page, all":                      func(b []byte) { clear(b[newer-16 : newer+64]) },
		"older meta page, a bit":                    func(b []byte) { b[older+56] ^= 4 },
		"older meta page, all":                      func(b []byte) { clear(b[older-16 : older+64]) },
	} {
		b := append([]byte(nil), file...)
		damage(b)
		if !bytes.Equal(b[newer:newer+64], file[older:older+64]) {
			all[name] = b
		}
	}
	return all
}

func TestATornMetaPageFallsBackToTheCommitBeforeWhichTheLogCompletes(t *testing.T) {
	type store struct {
		t      *testing.T
		path   string
		h      db
		n      int
		verify option
	}
	set := func(s *store, keys int) {
		for range keys {
			if err := s.h.set(fmt.Sprintf("%03d", s.n), s.n); err != nil {
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
		"one checkpoint": func(s *store) { set(s, 50); do(s, s.h.Compact(t.Context())); set(s, 3) },
		// A backup begins with a checkpoint, so that none is under way afterwards.
		"a few keys":            func(s *store) { set(s, 3) },
		"laps of the log":       func(s *store) { set(s, 900); do(s, s.h.backup(s.path+".backup")) },
		"nothing since":         func(s *store) { set(s, 30); do(s, s.h.backup(s.path+".backup")) },
		"a large call":          func(s *store) { set(s, 10); large(t, s.h, &s.n, 100) },
		"behind a large call":   func(s *store) { set(s, 10); large(t, s.h, &s.n, 100); set(s, 5) },
		"a large call at first": func(s *store) { large(t, s.h, &s.n, 100) },
		"a clear": func(s *store) {
			set(s, 50)
			do(s, s.h.backup(s.path+".backup"))
			do(s, s.h.clear())
			s.n = 0
			set(s, 5)
		},
		"opened after a crash": func(s *store) {
			set(s, 50)
			do(s, s.h.backup(s.path+".backup"))
			set(s, 7)
			do(s, s.h.backup(s.path+".backup"))
			copied := storeName(s.t)
			copyCrashed(s.t, s.path, copied)
			s.path, s.h = copied, opened(s.t, copied, logBytes(1), s.verify)
		},
	} {
		for _, lazy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, leaves read later: %v", name, lazy), func(t *testing.T) {
				s := &store{t: t, path: storeName(t), verify: verifyBytes(0)}
				if lazy {
					s.verify = verifyBytes(-1)
				}
				s.h = opened(t, s.path, logBytes(1), s.verify)
				history(s)
				copied := storeName(t)
				copyCrashed(t, s.path, copied)
				file, log := readFile(t, copied), readFile(t, copied+"-log")
				for what, b := range torn(file) {
					writeFile(t, copied, b)
					writeFile(t, copied+"-log", log)
					if n, err := prefixOf(t, copied, readOnly(), s.verify); n != s.n || err != nil {
						t.Errorf("%s, read only: %d keys of %d, %v", what, n, s.n, err)
					}
					for _, when := range []string{"opened", "opened again"} {
						if n, err := prefixOf(t, copied, s.verify); n != s.n || err != nil {
							t.Errorf("%s, %s: %d keys of %d, %v", what, when, n, s.n, err)
						}
					}
				}
			})
		}
	}
}

// large sets so many keys that they don't fit into a log of the least size.
func large(t *testing.T, h db, n *int, keys int) {
	t.Helper()
	many := map[string]any{}
	for range keys {
		many[fmt.Sprintf("%03d", *n)] = *n
		*n++
	}
	many["fill"] = string(make([]byte, 20_000))
	if err := h.setMany(many); err != nil {
		t.Fatal(err)
	}
	if _, err := h.remove("fill"); err != nil {
		t.Fatal(err)
	}
}

func TestATornMetaPageWithoutALogThatCompletesItIsRefused(t *testing.T) {
	t.Parallel()
	file, log := crashed(t, 20)
	path := storeName(t)
	writeFile(t, path, file)
	writeFile(t, path+"-log", log)
	if n, err := prefixOf(t, path); n != 20 || err != nil { // and so it is closed
		t.Fatal(n, err)
	}
	closed := readFile(t, path)
	_, other := crashed(t, 20)
	for what, b := range torn(closed) {
		// The log of the time before may be there again after a power cut.
		for with, log := range map[string][]byte{"no log": nil, "another store's log": other, "zeros": make([]byte, 5000)} {
			writeFile(t, path, b)
			os.Remove(path + "-log")
			if log != nil {
				writeFile(t, path+"-log", log)
			}
			// The commit of the close says that nothing after it can have been acknowledged.
			whole := strings.HasPrefix(what, "older") && log == nil
			for _, o := range [][]option{{readOnly()}, nil} {
				n, err := prefixOf(t, path, o...)
				if whole && (n != 20 || err != nil) || !whole && !errors.Is(err, kverr.Corrupt) {
					t.Errorf("%s, %s: %d keys, %v", what, with, n, err)
				}
			}
			if now := readFile(t, path); string(now) != string(b) && log == nil && !whole {
				t.Errorf("%s, %s: the file was changed", what, with)
			}
		}
	}
}

// After a torn first meta page the engine looks for another one of any page size.
func TestAMetaPageInAnotherPlaceIsNotFollowed(t *testing.T) {
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
	path := storeName(t)
	writeFile(t, path, file)
	writeFile(t, path+"-log", log)
	for _, o := range [][]option{{readOnly()}, nil} {
		if n, err := prefixOf(t, path, o...); !errors.Is(err, kverr.Corrupt) || !strings.Contains(err.Error(), "meta pages are damaged") {
			t.Errorf("%d keys, %v", n, err)
		}
	}
}

// A write that did without a log is in the commits of both meta pages.
func TestATornMetaPageBesideTheLogOfTheTimeBeforeHidesNothing(t *testing.T) {
	file, log := crashed(t, 20)
	path := storeName(t)
	writeFile(t, path, file)
	writeFile(t, path+"-log", log)
	if n, err := prefixOf(t, path); n != 20 || err != nil {
		t.Fatal(n, err)
	}
	h := mustOpen(t, path, hook(func(act access.Act, name string) error {
		if act == access.ActCreate && filepath.Base(name) == "store.db-log" {
			return &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
		return nil
	}))
	if err := h.set("020", 20); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for what, b := range torn(readFile(t, path)) {
		writeFile(t, path, b)
		writeFile(t, path+"-log", log)
		if n, err := prefixOf(t, path); n != 21 || err != nil {
			t.Errorf("%s: %d keys, %v", what, n, err)
		}
	}
}

// The first commit that names a log may be the one that tears.
func TestAMetaPageThatTearsWhenTheLogBeginsLosesNothing(t *testing.T) {
	t.Parallel()
	var files, logs [][]byte
	path := storeName(t)
	h := mustOpen(t, path, hook(func(act access.Act, _ string) error {
		if act == access.ActSyncLog {
			file, _ := os.ReadFile(path)
			log, _ := os.ReadFile(path + "-log")
			files, logs = append(files, file), append(logs, log)
		}
		return nil
	}))
	if err := h.set("000", 0); err != nil {
		t.Fatal(err)
	}
	if len(logs) != 2 {
		t.Fatalf("the log was synced %d times, not when it was made and for the record", len(logs))
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	_, next := metaPages(files[0])
	clear(files[0][next : next+64]) // where the commit that names the log goes
	writeFile(t, path, files[0])
	writeFile(t, path+"-log", logs[1])
	if n, err := prefixOf(t, path); !errors.Is(err, kverr.Corrupt) {
		t.Errorf("with a record that is only written after that commit: %d keys, %v", n, err)
	}
	for range 2 {
		writeFile(t, path+"-log", logs[0])
		if n, err := prefixOf(t, path); n != 0 || err != nil {
			t.Errorf("before the first record: %d keys, %v", n, err)
		}
		if got := names(t, filepath.Dir(path)); len(got) != 1 {
			t.Errorf("after an orderly close there is %q", got)
		}
	}
}

// A checkpoint of interval mode may be ahead of the log's last sync.
func TestInIntervalModeTheLogOnDiskCompletesATornMetaPage(t *testing.T) {
	t.Parallel()
	var synced atomic.Pointer[[]byte] // the log, as the disk has it
	path := storeName(t)
	h := mustOpen(t, path, interval(time.Hour), hook(func(act access.Act, _ string) error {
		if act == access.ActSyncLog {
			log, _ := os.ReadFile(path + "-log")
			synced.Store(&log)
		}
		return nil
	}))
	defer h.Close()
	for i := range 20 {
		if err := h.set(fmt.Sprintf("%03d", i), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.backup(path + ".backup"); err != nil { // which begins with a checkpoint
		t.Fatal(err)
	}
	copied := storeName(t)
	for what, b := range torn(readFile(t, path)) {
		writeFile(t, copied, b)
		writeFile(t, copied+"-log", *synced.Load())
		if n, err := prefixOf(t, copied); n != 20 || err != nil {
			t.Errorf("%s: %d keys, %v", what, n, err)
		}
	}
}

func TestTheLogOfAFileThatWasMovedAwayIsKept(t *testing.T) {
	path, moved := storeName(t), storeName(t)
	file, log := crashed(t, 20)
	writeFile(t, moved, file)
	writeFile(t, path+"-log", log)
	h := opened(t, path)
	if err := h.set("another", 1); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(path + "-log-*")
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept are %q, %v", kept, err)
	}
	if err := os.Rename(kept[0], moved+"-log"); err != nil {
		t.Fatal(err)
	}
	if n, err := prefixOf(t, moved); n != 20 || err != nil {
		t.Errorf("together again: %d keys, %v", n, err)
	}

	path = storeName(t)
	writeFile(t, path+"-log", log)
	writeFile(t, path+filepath.Base(kept[0])[len("store.db"):], log) // and a copy of it
	h = opened(t, path)
	if err := h.set("another", 1); !errors.Is(err, kverr.InUse) || !strings.Contains(err.Error(), "store.db-log") {
		t.Errorf("a set where the log has no name to go to: %v", err)
	}
	if got := readFile(t, path+"-log"); !bytes.Equal(got, log) {
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
			path := storeName(t)
			var unused, closed []byte
			h := mustOpen(t, path, hook(func(act access.Act, _ string) error {
				if b, err := os.ReadFile(path + "-log"); act == access.ActSyncLog && err == nil && unused == nil {
					unused = b
				} else if act == access.ActSyncLog && err == nil {
					closed = b
				}
				return nil
			}))
			if err := h.set("000", 0); err != nil {
				t.Fatal(err)
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			writeFile(t, path+"-log", log(closed, unused))
			if n, err := prefixOf(t, path); n != 1 || err != nil {
				t.Errorf("%d keys, %v", n, err)
			}
			if got := names(t, filepath.Dir(path)); len(got) != 1 {
				t.Errorf("there is %q", got)
			}
		})
	}
}
