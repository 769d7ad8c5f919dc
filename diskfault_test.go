//go:build unix

package extlibs_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// acts records what is done to a folder, and fails what a test says.
type acts struct {
	mu   sync.Mutex
	seen []access.Act
	fail access.Act
}

func (a *acts) hook(act access.Act, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, act)
	if act == a.fail {
		return &os.PathError{Op: string(act), Path: name, Err: syscall.EIO}
	}
	return nil
}

func (a *acts) failing(act access.Act) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail = act
}

func TestAFileThatCannotBeWrittenStopsNoWriteAndLosesNone(t *testing.T) {
	var a acts
	path := onDisk.storeName(t)
	r := onDisk.registry(t, extlibs.DiskHook(a.hook))
	h := mustOpen(t, r, path)
	must(t, h.Set(ctx, "a", "before", 0))
	a.failing(access.ActCommit)
	for range 3 {
		must(t, h.Set(ctx, "a", "in the log", 0))
		if err := h.Compact(ctx); !errors.Is(err, syscall.EIO) {
			t.Fatalf("a compaction of a file that the disk refuses: %v", err)
		}
	}
	if err := h.Close(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "store.db-log") {
		t.Errorf("a close that could not write the file: %v", err)
	}
	a.failing("")
	if v, err := mustOpen(t, r, path).Get(ctx, "a"); v != "in the log" || err != nil {
		t.Errorf("the value is %v, %v", v, err)
	}
}

func TestAFailedSyncOfTheFileStopsWritesUntilItIsOpenedAgainAndLosesNone(t *testing.T) {
	var a acts
	path := onDisk.storeName(t)
	r := onDisk.registry(t, extlibs.DiskHook(a.hook))
	h := mustOpen(t, r, path)
	must(t, h.Set(ctx, "a", "before", 0))
	a.failing(access.ActSyncMetaPage)
	if err := h.Compact(ctx); !errors.Is(err, syscall.EIO) {
		t.Fatalf("a compaction whose sync failed: %v", err)
	}
	a.failing("")
	if err := h.Set(ctx, "b", "too late", 0); !errors.Is(err, extlibs.ErrUnavailable) || errors.Is(err, extlibs.ErrCommitUnknown) {
		t.Errorf("the engine may write over pages that the disk still needs: %v", err)
	}
	if v, err := h.Get(ctx, "a"); v != "before" || err != nil {
		t.Errorf("a read: %v, %v", v, err)
	}
	for range 2 {
		if err := h.Close(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("a close that left the log: %v", err)
		}
	}
	if _, err := h.Get(ctx, "a"); !errors.Is(err, extlibs.ErrClosed) {
		t.Errorf("a call after close: %v", err)
	}
	h = mustOpen(t, r, path)
	if v, err := h.Get(ctx, "a"); v != "before" || err != nil {
		t.Errorf("opened again: %v, %v", v, err)
	}
	must(t, h.Set(ctx, "b", "after", 0))
}
