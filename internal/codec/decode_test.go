package codec

import (
	"strings"
	"testing"
	"unsafe"
)

func TestAShortTextDoesNotKeepALargeValue(t *testing.T) {
	for _, c := range []struct {
		value, text int // bytes
		copied      bool
	}{
		{aliasBytes, 1, false},
		{aliasBytes + 1, 1, true},
		{aliasBytes + 1, aliasBytes, false},
		{1 << 20, 100, true},
		{1 << 20, 1<<19 - 1, true},
		{1 << 20, 1 << 19, false},
	} {
		raw := strings.Repeat("x", c.value)
		b := BoundsOf(raw)
		text := b.Own(raw[:c.text])
		if copied := unsafe.StringData(text) != unsafe.StringData(raw); text != raw[:c.text] || copied != c.copied {
			t.Errorf("a text of %d bytes in a value of %d is a copy: %v, want %v", c.text, c.value, copied, c.copied)
		}
	}
}
