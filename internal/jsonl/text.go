package jsonl

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// The shortest and the longest time to live that stores accept.
const (
	MinTTL = 1 * time.Millisecond
	MaxTTL = 100 * 365.25 * 24 * time.Hour
)

var (
	errUTF8      = errors.New("not valid UTF-8; export writes a str of other bytes as {\"$text\":\"base64\"}")
	errSurrogate = errors.New(`half of a surrogate pair: \u escapes from d800 to dfff are valid only in pairs`)
)

// checkText returns an error where a JSON text holds characters that are none:
// encoding/json would replace each of them by U+FFFD.
func checkText(text []byte) error {
	if !utf8.Valid(text) {
		return errUTF8
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' { // which JSON has in strings only
			continue
		}
		i++
		r, ok := escapedUnit(text, i)
		if !ok {
			continue
		}
		i += 4
		if !utf16.IsSurrogate(r) {
			continue
		}
		low, ok := rune(0), i+1 < len(text) && text[i+1] == '\\'
		if ok {
			low, ok = escapedUnit(text, i+2)
		}
		if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
			return errSurrogate
		}
		i += 6
	}
	return nil
}

// escapedUnit returns the UTF-16 code unit of an escape, which is u and four hex
// digits, at text[i:].
func escapedUnit(text []byte, i int) (rune, bool) {
	if i >= len(text) || text[i] != 'u' || i+5 > len(text) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[i+1:i+5]), 16, 16)
	return rune(n), err == nil
}

// ParseSeconds converts a number of seconds to a time to live, as scripts do: 0 is no expiry,
// and a larger number is at least MinTTL.
func ParseSeconds(text string) (time.Duration, bool) {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xX") || !(seconds >= 0 && seconds <= MaxTTL.Seconds()) {
		return 0, false
	}
	if seconds == 0 && !isZero(text) { // too small for a float
		return MinTTL, true
	}
	return Storable(time.Duration(math.Ceil(seconds * float64(time.Second)))), true
}

// isZero reports whether the digits of a number are all zeros.
func isZero(text string) bool {
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	return !strings.ContainsAny(mantissa, "123456789")
}

// Storable converts the remaining time of a key to a time to live that a store accepts: the
// remaining time can be shorter than MinTTL and, if clocks differ, longer than MaxTTL. 0 is no
// expiry.
func Storable(left time.Duration) time.Duration {
	if left == 0 {
		return 0
	}
	return min(max(left, MinTTL), MaxTTL)
}
