package extlibs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// A page costs as the keys under the prefix, not as the store: it visits no other
// keys.
func TestAPrefixLooksAtTheKeysUnderItOnly(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1_000, 10_000} {
		for name, mode := range map[string]string{"memory": ":memory:store", "bolt": filepath.Join(t.TempDir(), fmt.Sprint(size))} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				r := NewRegistry()
				defer r.Close()
				h, err := r.Open(t.Context(), mode)
				if err != nil {
					t.Fatal(err)
				}
				ops := make([]Op, size)
				for i := range ops {
					ops[i] = Op{Kind: OpSet, Key: fmt.Sprintf("%06d", i), Value: encodeInt(1)}
				}
				if _, err := h.Store().ApplyMany(t.Context(), ops); err != nil {
					t.Fatal(err)
				}
				looked := 0
				look := func(string) bool { looked++; return false }
				if _, err := h.store.Scan(t.Context(), Range{Prefix: "0004", Match: look}); err != nil || looked != 100 {
					t.Errorf("%d keys were visited, %v; 100 have the prefix", looked, err)
				}
				// And a page of all keys ends after a bounded number.
				looked = 0
				if _, err := h.store.Scan(t.Context(), Range{Match: look}); err != nil || looked > max(memoryScanStep, diskScanKeys) {
					t.Errorf("%d keys were visited for one page, %v", looked, err)
				}
			})
		}
	}
}

// A slow pattern blocks no writer: here the match itself writes, which would wait
// forever for a lock or for a transaction.
func TestKeysAreMatchedOutsideEveryLockAndTransaction(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Always(), Interval(time.Hour)} {
		t.Run(fmt.Sprint(mode.interval), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kv.db")
			r := NewRegistry(Durability(mode))
			defer r.Close()
			h, err := r.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 40 {
				if err := h.Set(t.Context(), fmt.Sprintf("k%02d", i), i, 0); err != nil {
					t.Fatal(err)
				}
			}
			writes := 0
			match := func(key string) bool {
				if key == "k10" {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					if err := h.Set(ctx, "written", string(make([]byte, 8<<20)), 0); err == nil {
						writes++
					}
				}
				return key[2] == '5'
			}
			page, err := h.store.Scan(t.Context(), Range{Prefix: "k", Match: match, Limit: 3, Need: NeedValue})
			if err != nil || writes != 1 {
				t.Fatalf("%d writes got through (%v)", writes, err)
			}
			if len(page.Entries) != 3 || page.Entries[2].Key != "k25" || !page.More || page.Next != "k25" {
				t.Errorf("the page has %d entries, more %t after %q", len(page.Entries), page.More, page.Next)
			}
			ctx, cancel := context.WithCancel(t.Context())
			_, err = h.store.Scan(ctx, Range{Match: func(string) bool { cancel(); return true }})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a scan whose context ended is %v", err)
			}
		})
	}
}
