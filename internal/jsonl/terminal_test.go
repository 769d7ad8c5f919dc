package jsonl

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// Every character, in every place where JSON that is printed has text, is printable, and
// is read as the same.
func TestNothingThatIsPrintedAsJSONIsObeyedByATerminal(t *testing.T) {
	var all strings.Builder
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r < 0xd800 || r > 0xdfff {
			all.WriteRune(r)
		}
	}
	text := all.String()
	entry, err := Append(nil, Entry{Key: text, Value: map[string]any{text: []any{text}}})
	if err != nil {
		t.Fatal(err)
	}
	object, err := Marshal(map[string]string{text: text})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{entry, object} {
		if i := strings.IndexFunc(strings.TrimSuffix(string(b), "\n"), func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("it has %q", string(b[i:])[:1])
		}
	}
	var back map[string]string
	if err := json.Unmarshal(object, &back); err != nil || back[text] != text {
		t.Errorf("it is read as another text (%v)", err)
	}
	read, err := parse(entry)
	if err != nil || read.Key != text || read.Value.(map[string]any)[text].([]any)[0] != text {
		t.Errorf("an entry is read as another one (%v)", err)
	}
}
