package boltfile

import (
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// The leaves that opening has left for later are gone with a clear, and others take their
// pages.
func TestAfterAClearNoPageIsTakenForOneThatWasNotVerified(t *testing.T) {
	t.Parallel()
	r := kvtest.Rand(t)
	path := t.TempDir() + "/app.db"
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	open := func() *File {
		f, err := Open(t.Context(), loc, Options{VerifyBytes: -1, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for range kvtest.Sized(10, 40, 1000) {
		f := open()
		keys := map[string]int{}
		for i := range 30 {
			clears, batch := i == 0 && r.IntN(2) == 0, map[string]int{}
			for range 5 {
				batch[fmt.Sprint(r.IntN(1000))] = 1 + r.IntN(1<<r.IntN(16))
			}
			err := f.Update(func(tx *Tx) error { // which can run more than once
				if clears {
					if err := tx.Clear(); err != nil {
						return err
					}
				}
				for key, n := range batch {
					if err := tx.SetState(key, State{Exists: true, Value: strings.Repeat("v", n)}); err != nil {
						return err
					}
				}
				return nil
			})
			maps.Copy(keys, batch)
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := f.View(func(tx *Tx) error {
			for key, n := range keys {
				s, err := tx.State(key, true)
				if err != nil || len(s.Value) != n {
					t.Fatalf("the value of %s has %d bytes of %d, %v", key, len(s.Value), n, err)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
