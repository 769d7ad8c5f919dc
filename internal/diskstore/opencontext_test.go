package diskstore

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

func openWith(t *testing.T, ctx context.Context, path string) (*Store, error) {
	t.Helper()
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	return Open(ctx, loc, Options{Options: boltfile.Options{LockTimeout: time.Hour, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}})
}

// countdown is a context that ends after some looks at it.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestAnOpenThatItsContextEndsLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	s := openTest(t, path)
	for _, key := range []string{"a", "b", "c"} {
		put(t, s, key, strings.Repeat(key, 1000))
	}
	// A crash: the file and its log stay, the locks go.
	s.life.closing.Store(true)
	s.logFile.Load().Close()
	s.file.FailStop(&kverr.Error{Kind: kverr.Closed, Msg: "a crash"})
	s.file.Close()
	ended := 0
	for looks := 0; ; looks++ {
		s, err := openWith(t, &countdown{t.Context(), looks}, path)
		if err == nil {
			for _, key := range []string{"a", "b", "c"} {
				if s, err := s.Load(time.Now(), key, true); err != nil || s.Value != strings.Repeat(key, 1000) {
					t.Errorf("after %d opens that ended early: %q: %v", ended, key, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			break
		}
		if ended++; !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d looks: %v", looks, err)
		}
	}
	if ended < 3 {
		t.Errorf("opening checked its context %d times", ended)
	}
}
