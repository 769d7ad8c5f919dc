package diskstore

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
)

// After two commits no meta page of the file leads to what a copy began with.
func TestACopyIsWholeWhateverIsCommittedBetweenItsBeginAndItsFirstPage(t *testing.T) {
	for commits := range 4 {
		t.Run(fmt.Sprint(commits, " commits"), func(t *testing.T) {
			dir := t.TempDir()
			s := openTest(t, filepath.Join(dir, "kv.db"))
			defer s.Close()
			put(t, s, "k", "before")
			begins := 0
			begin := func() (*boltfile.Snapshot, error) {
				copied, err := s.snapshot(t.Context())
				if begins++; begins > 1 {
					return copied, err
				}
				for i := range commits {
					put(t, s, "k", fmt.Sprint("after ", i))
					w, _ := s.lockFile(context.Background())
					if err := w.checkpoint(false); err != nil {
						t.Error(err)
					}
					w.unlock()
				}
				return copied, err
			}
			var copied bytes.Buffer
			if err := s.file.Backup(t.Context(), &copied, begin); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "copy.db")
			if err := os.WriteFile(path, copied.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			c := openTest(t, path)
			defer c.Close()
			if got, err := c.stored(s.opts.Now(), "k", true); err != nil || got.Value != "before" {
				t.Errorf("the copy has %q, %v, want %q", got.Value, err, "before")
			}
		})
	}
}
