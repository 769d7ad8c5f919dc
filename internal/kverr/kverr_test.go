package kverr

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAQuotedInputHasAtMost128Bytes(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"key":                    "key",
		strings.Repeat("x", 40):  strings.Repeat("x", 40),
		strings.Repeat("x", 41):  strings.Repeat("x", 40) + "...",
		strings.Repeat("水", 41):  strings.Repeat("水", 39) + "...",
		strings.Repeat("😀", 100): strings.Repeat("😀", 30) + "...",
	} {
		got := Shorten(in)
		if got != want || len(got) > 128 || !utf8.ValidString(got) {
			t.Errorf("%d bytes are shortened to %q, want %q", len(in), got, want)
		}
	}
}
