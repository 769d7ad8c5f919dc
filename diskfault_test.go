package extlibs

import (
	"context"
	"errors"
	"path/filepath"
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

func TestAWriteErrorBeforeTheHeaderChangesNothingAndWritesGoOn(t *testing.T) {
	r := NewRegistry()
	path := filepath.Join(t.TempDir(), "kv.db")
	h, err := r.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := setText(t, h, "a", "before"); err != nil {
		t.Fatal(err)
	}
	mend := boltfiletest.FailWrites(h.store.(*boltStore).file, false)
	for range 3 {
		if err := setText(t, h, "a", "lost"); !errors.Is(err, syscall.EIO) {
			t.Fatalf("a write that the disk refused: %v", err)
		}
	}
	want, _ := Encode("before")
	if e, err := h.Store().Load(context.Background(), "a", NeedAll); err != nil || e.Value != want {
		t.Errorf("a failed write changed the value to %q (%v)", e.Value, err)
	}
	mend()
	if err := setText(t, h, "a", "after"); err != nil {
		t.Errorf("a write after the disk was mended: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(context.Background(), path); err != nil {
		t.Errorf("opening it again: %v", err)
	}
	r.Close()
}

func TestAFailedSyncOfTheHeaderIsTheLastCommitUntilTheStoreIsOpenedAgain(t *testing.T) {
	r := NewRegistry()
	path := filepath.Join(t.TempDir(), "kv.db")
	h, err := r.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := setText(t, h, "a", "before"); err != nil {
		t.Fatal(err)
	}
	mend := boltfiletest.FailWrites(h.store.(*boltStore).file, true)
	if err := setText(t, h, "a", "who knows"); !errors.Is(err, ErrCommitUnknown) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("a write whose sync failed: %v", err)
	}
	mend()
	if err := setText(t, h, "b", "too late"); !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("the engine may write over pages that the disk still needs: %v", err)
	}
	if _, err := h.Store().Load(context.Background(), "a", NeedAll); !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("a read shows what may not be stored: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Store().Load(context.Background(), "a", NeedAll); !errors.Is(err, ErrClosed) {
		t.Errorf("a call after close: %v", err)
	}
	if h, err = r.Open(context.Background(), path); err != nil {
		t.Fatalf("opening it again: %v", err)
	}
	if err := setText(t, h, "b", "after"); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
