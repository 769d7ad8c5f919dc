package codec

import (
	"strings"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs/internal/cbor"
)

// Other encoders of CBOR write a string that is not valid UTF-8 as a text, and do not
// know the tag that marks one here.

// MarkText returns the encoding with each text that is not valid UTF-8 tagged as raw
// text.
func MarkText(raw string) (string, error) {
	return rewrite(raw, func(item cbor.Item, rest string) (mark, ok bool, text, after string, err error) {
		return true, item.Kind == cbor.Text && !utf8.ValidString(item.Text), item.Text, rest, nil
	})
}

// UnmarkText reverses MarkText.
func UnmarkText(raw string) (string, error) {
	if !strings.Contains(raw, string(cbor.AppendTag(nil, tagRawText))) {
		return raw, nil
	}
	return rewrite(raw, func(item cbor.Item, rest string) (mark, ok bool, text, after string, err error) {
		if item.Kind != cbor.Tag || item.Int != tagRawText {
			return false, false, "", rest, nil
		}
		item, rest, err = cbor.Read(rest)
		if err == nil && item.Kind != cbor.Bytes {
			err = cbor.ErrUnsupported
		}
		return false, true, item.Text, rest, err
	})
}

// rewrite copies the items of a value, whatever they are nested in. Where found says
// that one is a text to replace, it writes the text again, with or without the mark.
func rewrite(raw string, found func(item cbor.Item, rest string) (mark, ok bool, text, after string, err error)) (string, error) {
	var b []byte
	copied := 0 // bytes of raw that b has
	for rest := raw; rest != ""; {
		item, after, err := cbor.Read(rest)
		if err != nil {
			return "", err
		}
		mark, ok, text, after, err := found(item, after)
		if err != nil {
			return "", err
		}
		if ok {
			b = append(b, raw[copied:len(raw)-len(rest)]...)
			if mark {
				b = cbor.AppendBytes(cbor.AppendTag(b, tagRawText), text)
			} else {
				b = cbor.AppendText(b, text)
			}
			copied = len(raw) - len(after)
		}
		rest = after
	}
	if copied == 0 {
		return raw, nil
	}
	return string(append(b, raw[copied:]...)), nil
}
