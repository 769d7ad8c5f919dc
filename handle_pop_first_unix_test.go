//go:build unix

package extlibs_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

func TestPopFirstAndUpdateManyOfAFileSyncOnce(t *testing.T) {
	var a acts
	h := mustOpen(t, onDisk.registry(t, extlibs.DiskHook(a.hook)), onDisk.storeName(t))
	syncs := func() (n int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, act := range a.seen {
			if act == access.ActSync || act == access.ActSyncLog {
				n++
			}
		}
		return n
	}
	must(t, h.SetMany(ctx, values{"job:1": 1, "job:2": 2, "job:3": 3, "a": 1, "b": 2}, 0))
	for _, c := range []struct {
		name string
		want int
		call func() error
	}{
		{"pop_first", 1, func() error { _, err := h.PopFirst(ctx, extlibs.PopOptions{Prefix: "job:"}); return err }},
		{"pop_first of the last", 1, func() error {
			_, err := h.PopFirst(ctx, extlibs.PopOptions{Pattern: "job:*[0-9]", Reverse: true})
			return err
		}},
		{"update_many", 1, func() error {
			_, err := h.UpdateMany(ctx, []string{"a", "b"}, func(v values) (values, error) { return values{"a": v["b"], "b": v["a"]}, nil })
			return err
		}},
		{"pop_first of none", 0, func() error {
			if _, err := h.PopFirst(ctx, extlibs.PopOptions{Prefix: "none:"}); !errors.Is(err, extlibs.ErrNotFound) {
				return fmt.Errorf("it is %w", err)
			}
			return nil
		}},
	} {
		before := syncs()
		must(t, c.call())
		if n := syncs() - before; n != c.want {
			t.Errorf("%s makes %d syncs, want %d", c.name, n, c.want)
		}
	}
}
