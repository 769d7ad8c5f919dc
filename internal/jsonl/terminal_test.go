package jsonl_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/scriptling-kv/extlibs/internal/jsonl"
)

// Every character, in every place where JSON that is printed has text, is printable, and
// is read as the same.
func TestNothingThatIsPrintedAsJSONIsObeyedByATerminal(t *testing.T) {
	var all strings.Builder
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if testing.Short() && r > 0x2ffff && r < 0xe0000 {
			continue // almost none of these is assigned
		}
		if r < 0xd800 || r > 0xdfff {
			all.WriteRune(r)
		}
	}
	text := all.String()
	entry, err := jsonl.Append(nil, jsonl.Entry{Key: text, Value: encoded(t, map[string]any{text: []any{text}})})
	if err != nil {
		t.Fatal(err)
	}
	object, err := jsonl.Marshal(map[string]string{text: text})
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
	read, err := jsonl.NewReader(bytes.NewReader(entry), len(entry)).Next()
	if err != nil {
		t.Fatal(err)
	}
	if v, err := decoded(read.Value); err != nil || read.Key != text || v.(map[string]any)[text].([]any)[0] != text {
		t.Errorf("an entry is read as another one (%v)", err)
	}
}
