package codec

import (
	"math"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/cbor"
)

func TestACopyOfAnEncodedValueStaysWhenItsBufferIsReused(t *testing.T) {
	buf := NewBuffer()
	buf.Bytes = append(buf.Bytes, "\x82\x01\x02"...)
	e := buf.Encoded()
	raw := e.Raw()
	if raw != "\x82\x01\x02" {
		t.Errorf("the value is %q", raw)
	}
	clear(buf.Bytes)
	e.Release()
	if raw != "\x82\x01\x02" {
		t.Errorf("the copy has become %q", raw)
	}
}

func TestParseReturnsWhatTheEncodersReturn(t *testing.T) {
	text := func(s string) Encoded {
		e, err := Text(s, math.MaxInt32)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, e := range []Encoded{
		Null(), Bool(true), Bool(false), Int(0), Int(23), Int(24), Int(math.MaxInt64), Int(math.MinInt64), Float(1.5), Float(math.Inf(-1)),
		text(""), text("a"), text(strings.Repeat("é", 300)), text("\xff"), text(strings.Repeat("\xff", 70_000)),
		{Body: "\x81\x01"}, {Body: ""}, {Body: "\x18"},
	} {
		got, want := Parse(e.Raw()), e
		if e.Kind == cbor.Null || e.Kind == cbor.Bool || e.Kind == cbor.Bytes {
			want = Encoded{Body: e.Raw()}
		}
		if got != want || got.Raw() != e.Raw() {
			t.Errorf("%.20q is parsed as %+.20v", e.Raw(), got)
		}
	}
	for _, long := range []string{"\x18\x01", "\x78\x01a", "\xfa\x3f\xc0\x00\x00", "\xf9\x3e\x00"} { // of other encoders
		if got := Parse(long); got.Raw() != long {
			t.Errorf("%q becomes %q", long, got.Raw())
		}
	}
}
