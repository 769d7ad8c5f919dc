//go:build unix

package diskstore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/access"
)

// Where no log can be made, each meta page that a power cut tears in the middle of a
// commit leaves a store with all that was acknowledged. A state is between two commits that
// follow each other: the first one is synced before the second one begins, so no power cut
// leaves the meta page of a commit beside that of the third one after it. Such a pair is
// refused.
func TestWithoutALogAMetaPageThatTearsInACommitLosesNothing(t *testing.T) {
	t.Parallel()
	var path string
	var states [][]byte // the file before each commit, and after the last one
	path = storeName(t)
	h := mustOpen(t, path, hook(func(act access.Act, name string) error {
		if act == access.ActCommit || act == access.ActSyncMetaPage {
			file, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			states = append(states, file)
		}
		return noLogHook(act, name)
	}))
	acknowledged := []int{} // for each state
	note := func(n int) {
		for len(acknowledged) < len(states) {
			acknowledged = append(acknowledged, n)
		}
	}
	note(0)
	const sets = 4
	for i := range sets {
		if err := h.set(fmt.Sprint("acked", i), i); err != nil {
			t.Fatal(err)
		}
		note(i)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	note(sets)
	copied := storeName(t)
	for i := range states[:len(states)-1] {
		before, after := states[i], states[i+1]
		for page := range 2 {
			at := page * os.Getpagesize()
			if bytes.Equal(before[at:at+80], after[at:at+80]) {
				continue
			}
			for n := 1; n < 80; n += 3 {
				state := bytes.Clone(after) // all data is there, of the meta page the first n bytes
				copy(state[at+n:at+80], before[at+n:])
				writeFile(t, copied, state)
				if got, err := countOf(copied, "acked"); err != nil || got < acknowledged[i] {
					t.Errorf("commit %d, the first %d bytes of meta page %d: %d keys of %d, %v", i, n, page, got, acknowledged[i], err)
				}
			}
		}
	}
}

// countOf opens a store and counts the keys of a prefix.
func countOf(path, prefix string) (int, error) {
	h, err := open(path)
	if err != nil {
		return 0, err
	}
	entries, err := h.entries(prefix)
	return len(entries), errors.Join(err, h.Close())
}

// A process without a free file descriptor can't compact, and continues.
func TestACompactionThatFindsNoFileDescriptorStopsNoWrite(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		fails := false
		opens := 0
		h := opened(t, storeName(t), hook(func(act access.Act, name string) error {
			if fails && (act == access.ActOpen || act == access.ActCreate) {
				if opens++; opens > n {
					return &os.PathError{Op: "open", Path: name, Err: syscall.EMFILE}
				}
			}
			return nil
		}))
		if err := h.set("before", 1); err != nil {
			t.Fatal(err)
		}
		fails = true
		err := h.Compact(t.Context())
		fails = false
		if err == nil && opens > n {
			t.Errorf("after %d opens compact succeeds although %d failed", n, opens-n)
		}
		if err := h.set("after", 1); err != nil {
			t.Errorf("after %d opens: compact: %v; set: %v", n, err, err)
		}
	}
}

// The name of the file leaves no room for that of a log.
func TestAStoreWithALongNameHasNoLogAndNoWarning(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), strings.Repeat("k", 252))
	var log bytes.Buffer
	for i := range 2 {
		d := mustOpen(t, path, func(o *Options) {
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		})
		if err := d.set(fmt.Sprint("k", i), 1); err != nil {
			t.Fatal(err)
		}
		if d.logFile.Load() != nil {
			t.Error("the store has a log")
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := countOf(path, "k"); n != 2 || err != nil || log.Len() > 0 {
		t.Errorf("%d keys, %v; logged: %s", n, err, &log)
	}
}
