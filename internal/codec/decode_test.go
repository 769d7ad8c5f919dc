package codec

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unsafe"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
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

// enter enters the containers and tags of a value as deep as it is nested.
func enter(ctx context.Context, raw string) (kinds []int, err error) {
	limits := NewLimits(ctx, raw)
	for depth := 0; raw != "" && err == nil; depth++ {
		var item cbor.Item
		if item, raw, err = cbor.Read(raw); err == nil && item.Kind > cbor.Bytes {
			item, raw, err = limits.Enter(item, raw, depth)
		}
		kinds = append(kinds, int(item.Kind))
	}
	return kinds, limits.End(raw, err)
}

func TestEnterResolvesTagsAndChecksTheLimits(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("\x81", n) + "\x01" }
	for _, c := range []struct {
		name, raw string
		last      int
		err       bool
	}{
		{"a text", textTag + "\x41\xff", int(cbor.Text), false},
		{"a tuple", tupleTag + "\x80", int(Tuple), false},
		{"a set", setTag + "\x80", int(Set), false},
		{"the deepest nesting", nested(MaxDepth), int(cbor.Int), false},
		{"one level more", nested(MaxDepth + 1), 0, true},
		{"an unknown tag", "\xc1\x01", 0, true},
		{"a set that is a text", setTag + "\x61x", 0, true},
		{"a tag of nothing", tupleTag, 0, true},
		{"two arrays that claim the same bytes", "\x83\x83\x83\x01\x01\x01", 0, true},
		{"two maps that claim the same bytes", "\xa2\xa2\xa1\x01\x01\x01\x01", 0, true},
	} {
		kinds, err := enter(t.Context(), c.raw)
		if errors.Is(err, kverr.Corrupt) != c.err || (err == nil) == c.err || err == nil && kinds[len(kinds)-1] != c.last {
			t.Errorf("%s: %v, %v", c.name, kinds, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := enter(ended, string(cbor.AppendArray(nil, CheckParts))+strings.Repeat("\x01", CheckParts)); err != context.Canceled {
		t.Errorf("after the end of the context: %v", err)
	}
	limits := NewLimits(t.Context(), "")
	if limits.End("rest", nil) == nil {
		t.Error("a value with bytes too many is accepted")
	}
	if err := limits.Count(CheckParts); err != nil {
		t.Error(err)
	}
}
