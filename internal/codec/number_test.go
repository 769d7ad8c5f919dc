package codec

import (
	"errors"
	"math"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

func TestAddAddsIntsAsIntsAndAnythingElseAsFloats(t *testing.T) {
	in := func(n int64) string { return Int(n).Raw() }
	fl := func(f float64) string { return Float(f).Raw() }
	text := string(cbor.AppendText(nil, "1"))
	for _, c := range []struct {
		a, b, want string
		err        error
	}{
		{in(2), in(3), in(5), nil},
		{in(2), fl(0.5), fl(2.5), nil},
		{fl(0.5), in(2), fl(2.5), nil},
		{fl(math.Inf(1)), fl(math.Inf(-1)), fl(math.NaN()), nil},
		{in(math.MaxInt64 - 1), in(1), in(math.MaxInt64), nil},
		{in(math.MaxInt64), in(1), "", kverr.Overflow},
		{in(math.MinInt64 + 1), in(-1), in(math.MinInt64), nil},
		{in(math.MinInt64), in(-1), "", kverr.Overflow},
		{text, in(1), "", kverr.Type},
		{in(1), text, "", kverr.Type},
		{in(1) + in(1), in(1), "", kverr.Type},
		{"", in(1), "", kverr.Type},
	} {
		if got, err := Add(c.a, c.b); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("% x + % x = % x, %v, want % x, %v", c.a, c.b, got, err, c.want, c.err)
		}
	}
}
