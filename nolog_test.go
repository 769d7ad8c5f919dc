//go:build unix

package extlibs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// Where no log can be made, each header that a power cut tears in the middle of a
// commit leaves a store with all that was acknowledged.
func TestWithoutALogAHeaderThatTearsInACommitLosesNothing(t *testing.T) {
	t.Parallel()
	var path string
	var states [][]byte // the file before each commit, and after the last one
	r := onDisk.registry(t, extlibs.DiskHook(func(act access.Act, name string) error {
		if act == access.ActCommit || act == access.ActSyncHeader {
			file, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			states = append(states, file)
		}
		return noLog(act, name)
	}))
	path = onDisk.storeName(t)
	h := mustOpen(t, r, path)
	acknowledged := []int{} // for each state
	note := func(n int) {
		for len(acknowledged) < len(states) {
			acknowledged = append(acknowledged, n)
		}
	}
	note(0)
	const sets = 4
	for i := range sets {
		if err := h.Set(ctx, fmt.Sprint("acked", i), i, 0); err != nil {
			t.Fatal(err)
		}
		note(i)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	note(sets)
	copied := onDisk.storeName(t)
	for i := range states[:len(states)-1] {
		before, after := states[i], states[i+1]
		for page := range 2 {
			at := page * os.Getpagesize()
			if bytes.Equal(before[at:at+80], after[at:at+80]) {
				continue
			}
			for n := 1; n < 80; n += 3 {
				state := bytes.Clone(after) // all data is there, of the header the first n bytes
				copy(state[at+n:at+80], before[at+n:])
				write(t, copied, state)
				if got, err := prefixOf(t, copied, "acked"); err != nil || got < acknowledged[i] {
					t.Errorf("commit %d, the first %d bytes of header %d: %d keys of %d, %v", i, n, page, got, acknowledged[i], err)
				}
			}
		}
	}
}

// prefixOf opens a store and counts the keys of a prefix.
func prefixOf(t *testing.T, path, prefix string) (int, error) {
	r := newRegistry(extlibs.Logger(nil))
	defer r.Close()
	h, err := r.Open(ctx, path)
	if err != nil {
		return 0, err
	}
	return h.Count(ctx, prefix+"*")
}

// A process without a free file descriptor can't compact, and goes on.
func TestACompactionThatFindsNoFileDescriptorStopsNoWrite(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		fails := false
		opens := 0
		h := mustOpen(t, onDisk.registry(t, extlibs.DiskHook(func(act access.Act, name string) error {
			if fails && (act == access.ActOpen || act == access.ActCreate) {
				if opens++; opens > n {
					return &os.PathError{Op: "open", Path: name, Err: syscall.EMFILE}
				}
			}
			return nil
		})), onDisk.storeName(t))
		if err := h.Set(ctx, "before", 1, 0); err != nil {
			t.Fatal(err)
		}
		fails = true
		err := h.Compact(ctx)
		fails = false
		if err == nil && opens > n {
			t.Errorf("after %d opens compact succeeds although %d failed", n, opens-n)
		}
		if err := h.Set(ctx, "after", 1, 0); err != nil {
			t.Errorf("after %d opens: compact: %v; set: %v", n, err, err)
		}
	}
}

func TestWhoOpensALogIsToldItsStore(t *testing.T) {
	path := onDisk.storeName(t) + "-log"
	_, err := newRegistry().Open(ctx, path)
	want := fmt.Sprintf("%q", strings.TrimSuffix(filepath.Base(path), "-log"))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want the name %s in it", err, want)
	}
}
