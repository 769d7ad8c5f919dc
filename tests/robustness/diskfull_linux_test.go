package robustness

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

func TestAStoreOnAFullFileSystemWorksAgainAfterDeletes(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("no small file system to be had: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	complainOf(t, linesFrom(t, time.Minute, command("fill", dir, "always")))
}

// A delete needs pages, and a full disk has none: so the file has a reserve.
func TestAFullFileSystemOfSmallValuesTakesDeletesAndClear(t *testing.T) {
	ways := map[string]emptying{
		"delete": {}, "reopen and delete": {reopen: true}, "clear": {clear: true}, "reopen and clear": {reopen: true, clear: true},
	}
	cases := map[string]func(t *testing.T){}
	for _, size := range []string{"1m", "12m"} { // the log has room on the second one only
		for _, value := range []int{30, 300, 3000} {
			for name, how := range ways {
				cases[fmt.Sprint(size, " ", value, " ", name)] = func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
						t.Skipf("no small file system to be had: %v", err)
					}
					defer syscall.Unmount(dir, syscall.MNT_DETACH)
					emptyFull(t, dir, value, how)
				}
			}
		}
	}
	for _, name := range kvtest.SampleUnlessNightly(t, cases, kvtest.Sized(2, 12, 0)) {
		t.Run(name, cases[name])
	}
}

// emptying is how a full store is emptied.
type emptying struct{ reopen, clear bool }

func emptyFull(t *testing.T, dir string, value int, how emptying) {
	open := func() (*extlibs.Registry, *extlibs.Handle) {
		r := extlibs.NewRegistry(extlibs.Durability(extlibs.Interval(time.Hour)))
		return r, mustOpen(t, r, filepath.Join(dir, "kv.db"))
	}
	r, h := open()
	key := func(i int) string { return fmt.Sprintf("k%07d", i*7919%1_000_000) }
	text := strings.Repeat("v", value)
	fill := func() (n int) {
		for ; ; n += 50 { // a batch at a time
			batch := map[string]any{}
			for i := n; i < n+50; i++ {
				batch[key(i)] = text
			}
			switch err := h.SetMany(ctx, batch, 0); {
			case errors.Is(err, extlibs.ErrFull):
				return n
			case err != nil:
				t.Fatal(err)
			}
		}
	}
	n := fill()
	if how.reopen {
		if err := r.Close(); err != nil {
			t.Errorf("close of a full store: %v", err)
		}
		r, h = open()
	}
	if how.clear {
		if err := h.Clear(ctx); err != nil {
			t.Fatalf("clear: %v", err)
		}
	} else {
		for i := 0; i < n; i += 10 {
			var keys []string
			for j := i; j < i+10; j++ {
				keys = append(keys, key(j))
			}
			if gone, err := h.DeleteMany(ctx, keys); gone != 10 || err != nil {
				t.Fatalf("delete %d of %d: %d, %v", i, n, gone, err)
			}
		}
	}
	if c, err := h.Count(ctx, "*"); c != 0 || err != nil {
		t.Errorf("%d keys are left, %v", c, err)
	}
	if again := fill(); again < n/2 {
		t.Errorf("%d keys fit again, there were %d", again, n)
	}
	if err := r.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
