//go:build unix

package diskstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// removeAll removes keys in one call.
func (d db) removeAll(ctx context.Context, keys []string) error {
	return d.Write(ctx, func(p *Plan) error {
		changes := make([]Change, len(keys))
		for i, key := range keys {
			changes[i].Key = key
		}
		if err := p.Read(changes, false, nil); err != nil {
			return err
		}
		for i := range changes {
			changes[i].Next, changes[i].Changed = boltfile.State{}, changes[i].Was.Exists
		}
		return p.Make(changes)
	})
}

// A removal of many keys, for which a full file is rewritten, is done, or not done, or
// unknown, whatever the disk refuses, and readers see nothing else.
func TestARemovalThatRewritesAFullFileIsDoneOrNotWhateverTheDiskRefuses(t *testing.T) {
	t.Parallel()
	none, ctx := func(access.Act, string) error { return nil }, t.Context()
	for _, log := range []bool{true, false} {
		for _, c := range kvtest.Sample(t, []struct {
			act  access.Act
			err  error
			want error // nil: the call succeeds
		}{
			{"", nil, nil},
			{access.ActCreate, syscall.ENOSPC, kverr.Full},
			{access.ActAllocate, syscall.ENOSPC, kverr.Full},
			{access.ActSync, syscall.EIO, syscall.EIO},
			{access.ActRename, syscall.EIO, syscall.EIO},
			{access.ActRename, context.Canceled, context.Canceled}, // ends while the file is written
			{access.ActSyncDir, syscall.EIO, kverr.CommitUnknown},
		}, 3) {
			t.Run(fmt.Sprintf("log %v/%s/%v", log, c.act, c.err), func(t *testing.T) {
				t.Parallel()
				path := storeName(t)
				var refuse atomic.Pointer[access.Hook]
				opts := []option{maxBytes(200_000), logBytes(1), hook(func(act access.Act, name string) error {
					if h := refuse.Load(); h != nil {
						return (*h)(act, name)
					}
					if !log {
						return noLogHook(act, name)
					}
					return none(act, name)
				})}
				h := mustOpen(t, path, opts...)
				key := func(i int) string { return fmt.Sprintf("k%06d", i) }
				n := fillUp(t, h, key, strings.Repeat("v", 100))
				if log {
					if err := h.Close(); err != nil { // so that the log has nothing to write
						t.Fatal(err)
					}
					h = mustOpen(t, path, opts...)
					if _, err := h.remove(key(0)); err != nil { // so that there is a log
						t.Fatal(err)
					}
				} else if _, err := h.remove(key(0)); err != nil {
					t.Fatal(err)
				}
				var keys []string
				for i := 0; i < n; i += 2 {
					keys = append(keys, key(i))
				}
				before, err := h.count()
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				temp := false // the file that is to take the place of this one exists
				fail := access.Hook(func(act access.Act, name string) error {
					if strings.Contains(name, ".kv-compact-") && act == access.ActCreate {
						temp = true
						if c.err == context.Canceled {
							cancel()
						}
					}
					if temp && act == c.act && c.err != context.Canceled && !strings.HasSuffix(name, "-log") {
						return &fs.PathError{Op: string(act), Path: name, Err: c.err}
					}
					if !log {
						return noLogHook(act, name)
					}
					return nil
				})
				refuse.Store(&fail)
				err = h.removeAll(ctx, keys)
				refuse.Store(nil)
				if !temp {
					t.Error("the file was not rewritten")
				}
				after := before - len(keys) + 1 // the first one is gone
				want := []int{before}
				switch {
				case c.want == nil:
					want = []int{after}
					if err != nil {
						t.Fatal(err)
					}
				case !errors.Is(err, c.want) || (c.want != kverr.CommitUnknown) == errors.Is(err, kverr.CommitUnknown):
					t.Fatalf("the removal: %v", err)
				case c.want == kverr.CommitUnknown:
					if err := h.set("later", 1); err == nil {
						t.Error("a write after a removal whose outcome is unknown")
					}
					if err := h.Close(); err == nil {
						t.Error("a close that reports nothing")
					}
					got, err := h.count()
					if err == nil {
						t.Errorf("%d keys after the close", got)
					}
					want = []int{before, after}
					h = mustOpen(t, path, opts...)
				}
				for _, when := range []string{"at once", "after reopening"} {
					got, err := h.count()
					if err != nil || got != want[0] && got != want[len(want)-1] {
						t.Errorf("%s: %d keys of %d, want %d: %v", when, got, before, want, err)
					}
					entries, err := h.entries("")
					if err != nil || len(entries) != got {
						t.Errorf("%s: %d entries, %d keys, %v", when, len(entries), got, err)
					}
					if err := h.set("later", 1); err != nil && !errors.Is(err, kverr.Full) {
						t.Errorf("%s: a write: %v", when, err)
					}
					if _, err := h.remove("later"); err != nil {
						t.Errorf("%s: a delete: %v", when, err)
					}
					if err := h.Close(); err != nil {
						t.Error(err)
					}
					h = mustOpen(t, path, opts...)
				}
				if err := h.removeAll(t.Context(), keys); err != nil {
					t.Errorf("the removal on a disk that works: %v", err)
				}
				if err := h.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Readers see all keys that a call removes, or none of them, also if the file is rewritten
// for it.
func TestReadersSeeARemovalThatRewritesAFullFileAtOnce(t *testing.T) {
	t.Parallel()
	h := mustOpen(t, storeName(t), maxBytes(200_000), logBytes(1), interval(time.Hour))
	key := func(i int) string { return fmt.Sprintf("k%06d", i) }
	n := fillUp(t, h, key, strings.Repeat("v", 100))
	var keys []string
	for i := 0; i < n; i += 2 {
		keys = append(keys, key(i))
	}
	file := h.file.Size()
	stop, readers := make(chan struct{}), sync.WaitGroup{}
	for range 4 {
		readers.Go(func() {
			removed := false
			for {
				got, err := h.count()
				entries, err2 := h.entries("")
				removed = removed || got == n-len(keys)
				if err := errors.Join(err, err2); err != nil || got != n && !removed || got != len(entries) && !(got == n && len(entries) == n-len(keys)) {
					t.Errorf("%d keys and %d entries of %d, %v", got, len(entries), n, err)
				}
				if removed {
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	err := h.removeAll(t.Context(), keys)
	close(stop)
	readers.Wait()
	if err != nil || h.file.Size() >= file {
		t.Errorf("a file of %d bytes has %d: %v", file, h.file.Size(), err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}
