package codec

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestValidTextFindsTheByteThatIsNotUTF8WhereverItStands(t *testing.T) {
	for n := range 40 {
		text := strings.Repeat("x", n)
		if !ValidText(text) {
			t.Errorf("%d letters are refused", n)
		}
		for i := range n {
			if bad := text[:i] + "\xff" + text[i+1:]; ValidText(bad) {
				t.Errorf("%q is taken", bad)
			}
			if good := text[:i] + "é" + text[i+1:]; !ValidText(good) {
				t.Errorf("%q is refused", good)
			}
		}
	}
}

func FuzzValidText(f *testing.F) {
	f.Add("name")
	f.Add("Ada Lovelace, Gräfin\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, s string) {
		if got := ValidText(s); got != utf8.ValidString(s) {
			t.Fatalf("%q is valid: %v", s, got)
		}
	})
}
