package extlibs_test

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

func TestAViewIsAStoreOfTheKeysUnderItsPrefix(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		outside := []string{"user", "user:", "user;", "z"}
		for _, key := range outside {
			if err := h.Set(ctx, key, "outside", 0); err != nil {
				t.Fatal(err)
			}
		}
		for _, sub := range []*extlibs.Handle{h.Sub("user:"), h.Sub("us").Sub("er").Sub(":")} {
			if keys, err := sub.Keys(ctx, extlibs.ListOptions{}); err != nil || len(keys) != 0 {
				t.Fatalf("a new view has %q, %v", keys, err)
			}
			many := map[string]any{}
			for i := range 2500 {
				many[fmt.Sprintf("k%04d", i)] = i
			}
			if err := sub.SetMany(ctx, many, 0); err != nil {
				t.Fatal(err)
			}
			if v, err := h.Get(ctx, "user:k0007"); v != int64(7) || err != nil {
				t.Errorf("below the view there is %v, %v", v, err)
			}
			if v, err := sub.Get(ctx, "k0007"); v != int64(7) || err != nil {
				t.Errorf("Get: %v, %v", v, err)
			}
			if n, err := sub.Count(ctx, ""); n != 2500 || err != nil {
				t.Errorf("Count: %d, %v", n, err)
			}
			keys, err := sub.Keys(ctx, extlibs.ListOptions{Pattern: "k00*", After: "k0010", Limit: 3})
			if err != nil || !slices.Equal(keys, []string{"k0011", "k0012", "k0013"}) {
				t.Errorf("Keys: %q, %v", keys, err)
			}
			keys, err = sub.Keys(ctx, extlibs.ListOptions{Pattern: "?*9[89]"})
			if err != nil || len(keys) != 50 || keys[0] != "k0098" {
				t.Errorf("Keys of a general pattern: %q, %v", keys, err)
			}
			if got, err := sub.GetMany(ctx, []string{"k0001", "absent"}); len(got) != 1 || got["k0001"] != int64(1) || err != nil {
				t.Errorf("GetMany: %v, %v", got, err)
			}
			if n, err := sub.Incr(ctx, "k0001", 5, 0); n != 6 || err != nil {
				t.Errorf("Incr: %d, %v", n, err)
			}
			if n, err := sub.DeleteMatching(ctx, "k1*"); n != 1000 || err != nil {
				t.Errorf("DeleteMatching: %d, %v", n, err)
			}
			if err := sub.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if err := sub.Clear(ctx); err != nil {
				t.Errorf("Clear: %v", err)
			}
			if keys, err := h.Keys(ctx, extlibs.ListOptions{}); err != nil || !slices.Equal(keys, outside) {
				t.Errorf("after Clear of the view the store has %q, %v", keys, err)
			}
		}
	})
}

func TestAViewRefusesKeysThatItCannotHold(t *testing.T) {
	h := backends[0].open(t)
	for name, tt := range map[string]struct{ prefix, key string }{
		"empty":            {"p:", ""},
		"long together":    {strings.Repeat("p", 100), strings.Repeat("k", extlibs.MaxKeyBytes-99)},
		"a long prefix":    {strings.Repeat("p", extlibs.MaxKeyBytes), "k"},
		"a bad prefix":     {"\xff", "k"},
		"half a character": {"\xc3", "\xa9"},
	} {
		sub := h.Sub(tt.prefix)
		if err := sub.Set(ctx, tt.key, 1, 0); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("%s: Set: %v", name, err)
		}
		if _, err := sub.Get(ctx, tt.key); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("%s: Get: %v", name, err)
		}
	}
	longest := strings.Repeat("k", extlibs.MaxKeyBytes-2)
	if err := h.Sub("p:").Set(ctx, longest, 1, 0); err != nil {
		t.Errorf("the longest key: %v", err)
	}
	if n, err := h.Count(ctx, ""); n != 1 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
}

func TestAllComesInOrderAndItsLoopMayChangeTheStore(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		const n = 3000
		values := map[string]any{}
		for i := range n {
			values[fmt.Sprintf("k%05d", i)] = i
		}
		if err := h.SetMany(ctx, values, 0); err != nil {
			t.Fatal(err)
		}
		i := 0
		for item, err := range h.All(ctx, extlibs.ListOptions{Pattern: "k*"}) {
			if err != nil || item.Key != fmt.Sprintf("k%05d", i) || item.Value != int64(i) {
				t.Fatalf("item %d is %v, %v", i, item, err)
			}
			if i%500 == 0 { // behind the loop, and before it
				_, err1 := h.Delete(ctx, item.Key)
				if err := errors.Join(err1, h.Set(ctx, fmt.Sprintf("a%d", i), 1, 0)); err != nil {
					t.Fatal(err)
				}
			}
			i++
		}
		if i != n {
			t.Errorf("%d items, want %d", i, n)
		}
		seen := 0
		for item, err := range h.All(ctx, extlibs.ListOptions{After: "k00003", Limit: 1500}) {
			if seen++; err != nil || item.Key <= "k00003" {
				t.Fatalf("%v, %v", item, err)
			}
			if seen == 1400 {
				break
			}
		}
		seen = 0
		for range h.All(ctx, extlibs.ListOptions{Limit: 1500}) {
			seen++
		}
		if seen != 1500 {
			t.Errorf("limit 1500: %d items", seen)
		}
		errs := 0
		for _, err := range h.All(ctx, extlibs.ListOptions{Pattern: "["}) {
			if errs++; !errors.Is(err, extlibs.ErrInvalid) {
				t.Errorf("a bad pattern: %v", err)
			}
		}
		if errs != 1 {
			t.Errorf("%d errors for a bad pattern", errs)
		}
	})
}

func TestAViewHasNoFileToCopyOrToCompactAndSaysSo(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		view := h.Sub("user:")
		for name, err := range map[string]error{
			"Backup":     view.Backup(ctx, io.Discard),
			"BackupFile": view.BackupFile(ctx, filepath.Join(t.TempDir(), "copy.db")),
			"Compact":    view.Compact(ctx),
		} {
			if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), "call it on the store of the view") {
				t.Errorf("%s of a view: %v", name, err)
			}
		}
		err := h.Compact(ctx)
		if b.persistent && err != nil || !b.persistent && (!errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "in a file of this process")) {
			t.Errorf("Compact of the store: %v", err)
		}
	})
}
