//go:build unix

package extlibs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

// A file that is rewritten because a call removes many keys from a full store is the same
// store for everybody: the mode stays, other opens of the path find it, and backups have all
// of the keys or none. A second name of the file would not lead to it, so then the call fails.
func TestAFullFileThatIsRewrittenForARemovalIsTheSameStore(t *testing.T) {
	t.Parallel()
	for _, linked := range []bool{false, true} {
		path := onDisk.storeName(t)
		write(t, path, nil)
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		r := extlibs.NewRegistry(extlibs.MaxFileBytes(300<<10), extlibs.LogBytes(1))
		h := mustOpen(t, r, path)
		n := 0
		for ; ; n++ {
			if err := h.Set(ctx, fmt.Sprintf("k%06d", n), strings.Repeat("v", 60), 0); errors.Is(err, extlibs.ErrFull) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if linked {
			if err := os.Link(path, path+"2"); err != nil {
				t.Fatal(err)
			}
		}
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for i := 0; i < n; i += 2 {
			keys = append(keys, fmt.Sprintf("k%06d", i))
		}
		var during bytes.Buffer
		backup := make(chan error)
		go func() { backup <- h.Backup(ctx, &during) }()
		removed, err := h.DeleteMany(ctx, keys)
		if err := <-backup; err != nil {
			t.Errorf("the backup: %v", err)
		}
		left := n - len(keys)
		if linked {
			if !errors.Is(err, extlibs.ErrFull) || !strings.Contains(err.Error(), "fewer keys at a time") {
				t.Errorf("of a file with two names: %v", err)
			}
			left = n
		} else if err != nil || removed != len(keys) {
			t.Errorf("%d keys of %d removed: %v", removed, len(keys), err)
		}
		after, err := os.Stat(path)
		if err != nil || after.Mode() != before.Mode() || os.SameFile(before, after) != linked {
			t.Errorf("linked %v: the file was %v, is %v: %v", linked, before.Mode(), after.Mode(), err)
		}
		if again := mustOpen(t, r, path); again.Store() != h.Store() {
			t.Error("another store")
		}
		if got, err := h.Count(ctx, "*"); err != nil || got != left {
			t.Errorf("linked %v: %d keys, want %d: %v", linked, got, left, err)
		}
		copied := onDisk.storeName(t)
		write(t, copied, during.Bytes())
		other := extlibs.NewRegistry()
		defer other.Close()
		if got, err := mustOpen(t, other, copied).Count(ctx, "*"); err != nil || got != n && got != left {
			t.Errorf("the backup has %d keys of %d: %v", got, n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
