package redisstore

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/scriptling-kv/extlibs"
)

// The first bytes of payloads. CBOR begins with none of these but in an int,
// which is never stored as CBOR.
const (
	markMortal = '!' // then the deadline and another one, then the payload
	markFloat  = '#'
	markRaw    = '"' // a value whose own first byte is one of these
	markLarge  = '&' // before a large payload: its deadline is not in it
)

// largePayload is the length from which a payload has the mark of large ones. The scripts
// know it.
const largePayload = 1<<16 + 1

// The encodings of numbers, as extlibs writes them.
const (
	cborNegative = 0x20 // first byte of negative ints, up to 0x3b
	cborTextFrom = 0x40 // above all ints
	cborFloat64  = 0xfb
)

// floatDigits is enough for every float to come back; Lua's %.17g writes the same.
const floatDigits = 17

// payload is the encoding of a value on the server. It is the same for equal
// values, so that the server can compare them.
func payload(v extlibs.Value) string {
	p := barePayload(v)
	if len(p) >= largePayload {
		return string(markLarge) + p
	}
	return p
}

func barePayload(v extlibs.Value) string {
	raw := v.Raw()
	if raw == "" {
		return ""
	}
	if raw[0] < cborTextFrom || raw[0] == cborFloat64 {
		if n, err := v.Decode(); err == nil {
			switch n := n.(type) {
			case int64:
				if again, err := extlibs.Encode(n); err == nil && again == v {
					return strconv.FormatInt(n, 10)
				}
			case float64:
				if math.IsNaN(n) { // which may have other bits
					n = math.NaN()
				}
				if again, err := extlibs.Encode(n); err == nil && again == v {
					return string(markFloat) + formatFloat(n)
				}
			}
		}
	}
	if raw[0] < cborTextFrom {
		return string(markRaw) + raw
	}
	return raw
}

func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return strconv.FormatFloat(f, 'g', floatDigits, 64)
}

var errPayload = errors.New("the server holds an invalid value, perhaps written by another program; delete the key or restore it")

// value is the value of a payload without a deadline.
func value(p string) (extlibs.Value, error) {
	if p != "" && p[0] == markLarge {
		p = p[1:]
	}
	switch {
	case p == "":
		return extlibs.Value{}, damaged()
	case p[0] == markFloat:
		f, err := strconv.ParseFloat(p[1:], 64)
		if err != nil {
			return extlibs.Value{}, damaged()
		}
		return extlibs.Encode(f)
	case p[0] == markRaw:
		return extlibs.RawValue(p[1:]), nil
	case p[0] == '-' || p[0] >= '0' && p[0] <= '9':
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil {
			return extlibs.Value{}, damaged()
		}
		return extlibs.Encode(n)
	case p[0] < cborTextFrom:
		return extlibs.Value{}, damaged()
	}
	return extlibs.RawValue(p), nil
}

func damaged() error { return fmt.Errorf("%w: %w", extlibs.ErrCorrupt, errPayload) }

func isLarge(p string) bool { return strings.HasPrefix(p, string(markLarge)) }

func isMortal(p string) bool { return strings.HasPrefix(p, string(markMortal)) }
