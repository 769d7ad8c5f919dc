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

// After two commits no header of the file leads to what a copy began with.
func TestACopyIsWholeWhateverIsCommittedBetweenItsBeginAndItsFirstPage(t *testing.T) {
	for commits := range 4 {
		t.Run(fmt.Sprint(commits, " commits"), func(t *testing.T) {
			dir := t.TempDir()
			d := openTestDisk(t, filepath.Join(dir, "kv.db"))
			defer d.Close()
			put(t, d, "k", "before")
			begins := 0
			begin := func() (*boltfile.Snapshot, error) {
				s, err := d.snapshot(t.Context())
				if begins++; begins > 1 {
					return s, err
				}
				for i := range commits {
					put(t, d, "k", fmt.Sprint("after ", i))
					d.lock(context.Background())
					if err := d.checkpoint(false); err != nil {
						t.Error(err)
					}
					d.unlock()
				}
				return s, err
			}
			var copied bytes.Buffer
			if err := d.file.Backup(t.Context(), &copied, begin); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "copy.db")
			if err := os.WriteFile(path, copied.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			c := openTestDisk(t, path)
			defer c.Close()
			if s, err := c.stored(d.opts.Now(), "k", true); err != nil || s.Value != "before" {
				t.Errorf("the copy has %q, %v, want %q", s.Value, err, "before")
			}
		})
	}
}
