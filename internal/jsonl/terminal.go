package jsonl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Marshal is json.Marshal with text that is harmless to a terminal: see Harmless.
func Marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return Harmless(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}

// Harmless escapes characters in JSON that a terminal would interpret or not show: DEL, C1
// control characters, and characters that reverse the direction of text. JSON has such
// characters only in strings, where an escape means the same.
func Harmless(text []byte) []byte {
	if !bytes.ContainsFunc(text, obeyed) {
		return text
	}
	var b []byte
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case !obeyed(r):
			b = append(b, text[i:i+n]...)
		case r > 0xffff: // a pair of surrogates
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		i += n
	}
	return b
}

// obeyed leaves the control characters of ASCII alone: JSON has them between its parts,
// and escaped in strings.
func obeyed(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
