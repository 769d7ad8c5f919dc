package hashtable

import (
	"testing"
	"unsafe"
)

// cacheLine is that of the 64-bit processors which the table is laid out for.
const cacheLine = 64

func TestAGroupAndAShardAreOneLineOfCacheEach(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("laid out for 64 bits; elsewhere it is only slower")
	}
	for name, size := range map[string]uintptr{"a group": unsafe.Sizeof(group{}), "a shard": unsafe.Sizeof(shard{})} {
		if size != cacheLine {
			t.Errorf("%s has %d bytes, want %d", name, size, cacheLine)
		}
	}
}
