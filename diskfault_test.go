package extlibs

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"unsafe"

	bolt "go.etcd.io/bbolt"
)

// writeAt is the engine's own hook for tests of its writes.
func writeAt(db *bolt.DB) *func([]byte, int64) (int, error) {
	f := reflect.ValueOf(db).Elem().FieldByName("ops").FieldByName("writeAt")
	return (*func([]byte, int64) (int, error))(unsafe.Pointer(f.UnsafeAddr()))
}

// failWrites makes the engine's writes of header pages, or of all others, fail
// after they have reached the system's memory, as a failed sync does.
func failWrites(s *boltStore, header bool) (mend func()) {
	hook := writeAt(s.db)
	whole := *hook
	*hook = func(b []byte, at int64) (int, error) {
		n, err := whole(b, at)
		if err == nil && header == (at < int64(2*s.db.Info().PageSize)) {
			err = syscall.EIO
		}
		return n, err
	}
	return func() { *hook = whole }
}

func setText(t *testing.T, h *Handle, key, text string) error {
	t.Helper()
	v, err := Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Apply(context.Background(), Op{Kind: OpSet, Key: key, Value: v})
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
	mend := failWrites(h.store.(*boltStore), false)
	for range 3 {
		if err := setText(t, h, "a", "lost"); !errors.Is(err, syscall.EIO) {
			t.Fatalf("a write that the disk refused: %v", err)
		}
	}
	want, _ := Encode("before")
	if e, err := h.Load(context.Background(), "a"); err != nil || e.Value != want {
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
	mend := failWrites(h.store.(*boltStore), true)
	if err := setText(t, h, "a", "who knows"); !errors.Is(err, ErrCommitUnknown) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("a write whose sync failed: %v", err)
	}
	mend()
	if err := setText(t, h, "b", "too late"); !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("the engine may write over pages that the disk still needs: %v", err)
	}
	if _, err := h.Load(context.Background(), "a"); !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("a read shows what may not be stored: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Load(context.Background(), "a"); !errors.Is(err, ErrClosed) {
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
