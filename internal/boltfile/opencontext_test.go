package boltfile

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
)

func openTest(t *testing.T, ctx context.Context, path string, timeout time.Duration) (*File, error) {
	t.Helper()
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	return Open(ctx, loc, Options{LockTimeout: timeout, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
}

func TestOpeningABusyFileEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	f, err := openTest(t, t.Context(), path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := openTest(t, ctx, path, time.Hour); err == nil || time.Since(began) > 10*time.Second {
		t.Fatal(err, time.Since(began))
	} else if access.CanLock && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}
