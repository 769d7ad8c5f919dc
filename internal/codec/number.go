package codec

import (
	"math"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Number is a decoded int or float.
type Number struct {
	IsFloat bool
	Int     int64   // where it is no float
	Float   float64 // in either case
}

// ParseNumber decodes a number.
func ParseNumber(raw string) (Number, error) {
	item, rest, err := cbor.Read(raw)
	if err == nil && rest == "" {
		switch item.Kind {
		case cbor.Int:
			return Number{Int: item.Int, Float: float64(item.Int)}, nil
		case cbor.Float:
			return Number{IsFloat: true, Float: item.Float}, nil
		}
	}
	return Number{}, kverr.Errorf(kverr.Type, "the value is not a number, and is unchanged; set a number first, or use another key")
}

// Add adds two encoded numbers: two ints give an int, anything else a float. A value that
// is not a number, and a sum outside int64, are errors.
func Add(a, b string) (string, error) {
	x, err := ParseNumber(a)
	if err != nil {
		return "", err
	}
	y, err := ParseNumber(b)
	if err != nil {
		return "", err
	}
	if x.IsFloat || y.IsFloat {
		sum := x.Float + y.Float
		if math.IsNaN(sum) {
			sum = math.NaN() // processors have others
		}
		return Float(sum).Raw(), nil
	}
	if (y.Int > 0 && x.Int > math.MaxInt64-y.Int) || (y.Int < 0 && x.Int < math.MinInt64-y.Int) {
		return "", kverr.Errorf(kverr.Overflow, "the sum is outside the range of a 64-bit int, and the value is unchanged; use a smaller delta or a float")
	}
	return Int(x.Int + y.Int).Raw(), nil
}
