package codec

import (
	"context"
	"strings"
	"testing"
	"unsafe"
)

func TestAShortTextDoesNotKeepALargeValue(t *testing.T) {
	for _, c := range []struct {
		value, text int // bytes
		copied      bool
		small       bool
	}{
		{aliasBytes, 1, false, true},
		{aliasBytes, aliasBytes, false, true},
		{aliasBytes + 1, 1, true, true},
		{aliasBytes + 1, smallText, true, true},
		{aliasBytes + 1, smallText + 1, true, false},
		{aliasBytes + 1, aliasBytes, false, false},
		{1 << 20, 1<<19 - 1, true, false},
		{1 << 20, 1 << 19, false, false},
	} {
		raw := strings.Repeat("x", c.value)
		b := NewLimits(context.Background(), raw)
		text, small := b.Own(raw[:c.text])
		copied := unsafe.StringData(text) != unsafe.StringData(raw)
		if text != raw[:c.text] || copied != c.copied || small != c.small {
			t.Errorf("a text of %d bytes in a value of %d is a copy: %v, and small: %v; want %v, %v", c.text, c.value, copied, small, c.copied, c.small)
		}
	}
}
