package extlibs

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/boltfile/boltfiletest"
)

func setText(t *testing.T, h *Handle, key, text string) error {
	t.Helper()
	v, err := Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Store().Apply(context.Background(), Op{Kind: OpSet, Key: key, Value: v})
	return err
}

func TestAFileThatCannotBeWrittenStopsNoWriteAndLosesNone(t *testing.T) {
	r := NewRegistry()
	path := filepath.Join(t.TempDir(), "kv.db")
	h, err := r.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := setText(t, h, "a", "before"); err != nil {
		t.Fatal(err)
	}
	mend := boltfiletest.FailWrites(h.store.(*boltStore).disk.File(), false)
	for range 3 {
		if err := setText(t, h, "a", "in the log"); err != nil {
			t.Fatal(err)
		}
		if err := h.Compact(context.Background()); !errors.Is(err, syscall.EIO) {
			t.Fatalf("a compaction of a file that the disk refuses: %v", err)
		}
	}
	if err := h.Close(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "kv.db-log") {
		t.Errorf("a close that could not write the file: %v", err)
	}
	mend()
	if h, err = r.Open(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	want, _ := Encode("in the log")
	if e, err := h.Store().Load(context.Background(), "a", NeedAll); err != nil || e.Value != want {
		t.Errorf("the value is %q (%v)", e.Value, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFailedSyncOfTheFileStopsWritesUntilItIsOpenedAgainAndLosesNone(t *testing.T) {
	r := NewRegistry()
	path := filepath.Join(t.TempDir(), "kv.db")
	h, err := r.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := setText(t, h, "a", "before"); err != nil {
		t.Fatal(err)
	}
	mend := boltfiletest.FailWrites(h.store.(*boltStore).disk.File(), true)
	if err := h.Compact(context.Background()); !errors.Is(err, syscall.EIO) {
		t.Fatalf("a compaction whose sync failed: %v", err)
	}
	mend()
	if err := setText(t, h, "b", "too late"); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrCommitUnknown) {
		t.Errorf("the engine may write over pages that the disk still needs: %v", err)
	}
	if _, err := h.Store().Load(context.Background(), "a", NeedAll); err != nil {
		t.Errorf("a read: %v", err)
	}
	for range 2 {
		if err := h.Close(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("a close that left the log: %v", err)
		}
	}
	if _, err := h.Store().Load(context.Background(), "a", NeedAll); !errors.Is(err, ErrClosed) {
		t.Errorf("a call after close: %v", err)
	}
	if h, err = r.Open(context.Background(), path); err != nil {
		t.Fatalf("opening it again: %v", err)
	}
	if _, err := h.Store().Load(context.Background(), "a", NeedAll); err != nil {
		t.Error(err)
	}
	if err := setText(t, h, "b", "after"); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
