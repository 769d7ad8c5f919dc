package extlibs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// grown fills a store and empties most of it again, which leaves the file large.
func grown(t *testing.T, h *extlibs.Handle) {
	t.Helper()
	values := map[string]any{}
	for i := range 2000 {
		values[fmt.Sprintf("k%04d", i)] = strings.Repeat("x", 500)
	}
	if err := h.SetMany(ctx, values, 0); err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		if i >= 10 {
			delete(values, fmt.Sprintf("k%04d", i))
		}
	}
	if err := h.Clear(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.SetMany(ctx, values, 0); err != nil {
		t.Fatal(err)
	}
}

func TestCompactShrinksAFileThatIsInUse(t *testing.T) {
	t.Parallel()
	forEachFileBackend(t, func(t *testing.T, b backend) {
		dir := t.TempDir()
		path, link := filepath.Join(dir, "real.db"), filepath.Join(dir, "link.db")
		if err := os.Symlink(path, link); err != nil {
			t.Skip(err)
		}
		r := b.registry(t, extlibs.LogBytes(1))
		mustOpen(t, r, path).Close()
		h := mustOpen(t, r, link)
		grown(t, h)
		if err := h.Compact(ctx); err != nil { // commits what is pending
			t.Fatal(err)
		}
		grown(t, h)
		if err := h.Backup(ctx, io.Discard); err != nil {
			t.Fatal(err)
		}
		before := size(t, path)
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range 50 {
					key := fmt.Sprintf("w%d:%d", w, i)
					if err := h.Set(ctx, key, i, 0); err != nil {
						t.Error(err)
					}
					if v, err := h.Get(ctx, key); v != int64(i) {
						t.Errorf("%s is %v, %v", key, v, err)
					}
				}
			})
		}
		if err := h.Compact(ctx); err != nil {
			t.Error(err)
		}
		wg.Wait()
		// Where all was pending, the file has never been large.
		if after := size(t, path); after >= before/2 && !b.pending {
			t.Errorf("the file had %d bytes and has %d", before, after)
		}
		if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Error("the link was replaced instead of the file")
		}
		if n, err := h.Count(ctx, "w*"); n != 200 {
			t.Errorf("%d of 200 keys are there, %v", n, err)
		}
		if again := mustOpen(t, r, path); again != h {
			t.Error("the file is another store now")
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".kv-*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestCompactFileShrinksAFileThatNobodyUses(t *testing.T) {
	t.Parallel()
	b := fileBackends()[0]
	path := b.storeName(t)
	r := b.registry(t, extlibs.LogBytes(1))
	h := mustOpen(t, r, path)
	grown(t, h)
	absent := filepath.Join(t.TempDir(), "absent.db")
	if err := extlibs.CompactFile(ctx, absent); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := os.Stat(absent); err == nil {
		t.Error("CompactFile made a file")
	}
	if err := extlibs.CompactFile(ctx, filepath.Join(t.TempDir(), "nowhere", "x.db")); err == nil {
		t.Error("a file in no folder was compacted")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	before := size(t, path)
	if err := extlibs.CompactFile(ctx, path); err != nil {
		t.Fatal(err)
	}
	if after := size(t, path); after >= before/2 {
		t.Errorf("the file had %d bytes and has %d", before, after)
	}
	if n, err := mustOpen(t, r, path).Count(ctx, ""); n != 10 {
		t.Errorf("%d keys of 10, %v", n, err)
	}
}

func TestBackupAndCompactOfAStoreInMemoryAreUnsupported(t *testing.T) {
	h := backends[0].open(t)
	if err := h.Backup(ctx, io.Discard); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if err := h.Compact(ctx); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

func TestABackupEndsWithItsContextOrItsWriter(t *testing.T) {
	h := fileBackends()[0].open(t)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := h.Backup(cancelled, io.Discard); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	broken, w := io.Pipe()
	broken.CloseWithError(errors.New("no reader"))
	if err := h.Backup(ctx, w); err == nil || !strings.Contains(err.Error(), "no reader") {
		t.Error(err)
	}
}

func TestVarIsTheCountersByStoreAsJSON(t *testing.T) {
	r := backends[0].registry(t)
	h := mustOpen(t, r, ":memory:jobs")
	if err := h.Set(ctx, "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	var v expvar.Var = r.Var()
	var all map[string]extlibs.Stats
	if err := json.Unmarshal([]byte(v.String()), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[h.Name()] != statsOf(t, h) || all[h.Name()].Sets != 1 {
		t.Errorf("the counters are %+v", all)
	}
}

// lockedBuffer is a buffer that may be read while it is written to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestTheLoggerHearsOfFailuresThatNoCallerCanBeTold(t *testing.T) {
	var log lockedBuffer
	var full atomic.Bool
	b := fileBackends()[0]
	r := b.registry(t, extlibs.Logger(slog.New(slog.NewTextHandler(&log, nil))), extlibs.LogBytes(1),
		extlibs.DiskHook(func(act access.Act, name string) error {
			if act == access.ActCommit && full.Load() { // a file system that allocates blocks for each write
				return &fs.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
			}
			return nil
		}))
	h := mustOpen(t, r, b.storeName(t))
	err := h.Set(ctx, "first", 1, 0)
	full.Store(true)
	n := 0
	for ; err == nil; n++ {
		err = h.Set(ctx, fmt.Sprint(n), strings.Repeat("secret", 100), 0)
	}
	if !errors.Is(err, extlibs.ErrFull) {
		t.Errorf("a write into a full file: %v", err)
	}
	if text := log.String(); !strings.Contains(text, "a checkpoint failed") || strings.Contains(text, "secret") {
		t.Errorf("the log says %.200q", text)
	}
	if err := h.Backup(ctx, io.Discard); err != nil {
		t.Errorf("a copy has room for what the file has none for: %v", err)
	}
	full.Store(false)
	for i := range n {
		if _, err := h.Delete(ctx, fmt.Sprint(i)); err != nil {
			t.Error(err)
		}
	}
}

func TestEachBackupOfAStoreThatGoesOnIsAStore(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	r := onDisk.registry(t)
	h := mustOpen(t, r, path)
	backup := func(n int) {
		t.Helper()
		var b bytes.Buffer
		if err := h.Backup(ctx, &b); err != nil {
			t.Fatal(err)
		}
		streamed, named := onDisk.storeName(t), onDisk.storeName(t)
		if err := os.WriteFile(streamed, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := h.BackupFile(ctx, named); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{streamed, named} {
			copied := mustOpen(t, onDisk.registry(t), path)
			for range 2 { // a copy is written to as any store
				if err := copied.Set(ctx, "more", 1, 0); err != nil {
					t.Fatal(err)
				}
				if err := copied.Close(); err != nil {
					t.Fatal(err)
				}
				copied = mustOpen(t, onDisk.registry(t), path)
			}
			if keys, err := copied.Count(ctx, "*"); keys != n+1 || err != nil {
				t.Errorf("the backup of %d keys has %d, %v", n, keys-1, err)
			}
		}
	}
	// The number of the commit decides where a file's newest header is.
	for i := range 5 {
		if err := h.Set(ctx, fmt.Sprint(i), i, 0); err != nil {
			t.Fatal(err)
		}
		backup(i + 1)
		backup(i + 1) // with nothing in between
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = mustOpen(t, r, path)
	backup(5)
}
