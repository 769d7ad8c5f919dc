package extlibs

import (
	"fmt"
	"path/filepath"
	"testing"
)

// A page costs as the keys under the prefix, not as the store: so many are looked
// at, whatever else there is.
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
					ops[i] = Op{Kind: OpSet, Key: fmt.Sprintf("%06d", i), Value: encodeBool(true)}
				}
				if _, err := h.Store().ApplyMany(t.Context(), ops); err != nil {
					t.Fatal(err)
				}
				looked := 0
				look := func(string) bool { looked++; return false }
				if _, err := h.store.Scan(t.Context(), Range{Prefix: "0004", Match: look}); err != nil || looked != 100 {
					t.Errorf("%d keys were looked at, %v; 100 have the prefix", looked, err)
				}
				// And a page of all keys ends after a bounded number.
				looked = 0
				if _, err := h.store.Scan(t.Context(), Range{Match: look}); err != nil || looked > max(memoryScanStep, boltScanKeys) {
					t.Errorf("%d keys were looked at for one page, %v", looked, err)
				}
			})
		}
	}
}
