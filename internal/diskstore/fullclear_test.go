//go:build unix

package diskstore

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// Whichever commits of a checkpoint a full disk refuses, a store that was cleared and then got
// other keys has exactly those, at once, after a crash and after the checkpoint that succeeds
// in the end.
func TestAFullDiskRefusesCommitsOfACheckpointAfterAClear(t *testing.T) {
	t.Parallel()
	r := kvtest.Rand(t)
	masks := []uint64{1, 7, 1<<63 - 1} // of the commits that are refused, the first one in the lowest bit
	for range kvtest.Sized(2, 30, 2000) {
		masks = append(masks, r.Uint64()|1)
	}
	for i, mask := range masks {
		checkRefusedClear(t, mask, []int{0, 1, 150}[i%3])
		checkRefusedClear(t, mask, 150)
	}
}

// checkRefusedClear stores keys after a clear, and refuses the commits of a mask.
func checkRefusedClear(t *testing.T, mask uint64, puts int) {
	what := fmt.Sprintf("commits %#b of a clear and %d puts are refused", mask, puts)
	refusing, commits, refused := false, 0, 0
	path := storeName(t)
	d := mustOpen(t, path, interval(time.Hour), hook(func(act access.Act, name string) error {
		if act != access.ActCommit || !refusing {
			return nil
		}
		if commits++; commits <= 64 && mask>>(commits-1)&1 == 1 {
			refused++
			return &fs.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
		}
		return nil
	}))
	old, want := map[string]any{}, map[string]any{}
	for i := range 300 {
		old[fmt.Sprintf("old%04d", i)] = i
	}
	for i := range puts {
		want[fmt.Sprintf("new%04d", i)] = i
	}
	checkpoint := func() error {
		w, err := d.lockFile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer w.unlock()
		return w.checkpoint(false)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	check := func(d db, when string) {
		t.Helper()
		list, err := d.entries("")
		must(err)
		got := map[string]any{}
		for _, e := range list {
			got[e.Key] = e.Was.Value
		}
		if !maps.EqualFunc(got, want, func(a, b any) bool { return a == fmt.Sprint(b) }) {
			t.Fatalf("%s: %s there are %d keys, want %d", what, when, len(got), len(want))
		}
	}
	must(d.setMany(old))
	must(checkpoint())
	must(d.clear())
	if puts > 0 {
		must(d.setMany(want))
	}
	refusing = true
	err := checkpoint()
	if err != nil && !isFull(err) || err != nil && refused == 0 {
		t.Fatalf("%s: the checkpoint returns %v", what, err)
	}
	check(d, "after the checkpoint")
	crashed := filepath.Join(filepath.Dir(path), "crashed.db")
	must(d.syncAll(t.Context()))
	copyCrashed(t, path, crashed)
	after := mustOpen(t, crashed)
	check(after, "after a crash")
	must(after.Close())
	refusing = false
	must(checkpoint())
	check(d, "after a checkpoint with space")
	must(d.Close())
	if _, err := os.Stat(path + "-log"); err == nil {
		t.Errorf("%s: the closed store needs a log", what)
	}
	d = mustOpen(t, path)
	check(d, "after the close")
	must(d.Close())
}
