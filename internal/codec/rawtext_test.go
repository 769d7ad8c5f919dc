package codec

import (
	"testing"

	"github.com/scriptling-kv/extlibs/internal/cbor"
)

func TestTextThatIsNotUTF8IsMarkedAndUnmarked(t *testing.T) {
	text := func(s string) string { return string(cbor.AppendText(nil, s)) }
	tagged := string(cbor.AppendTag(nil, tagRawText))
	marked := func(s string) string { return tagged + string(cbor.AppendBytes(nil, s)) }
	for _, c := range []struct{ raw, want string }{
		{text("plain"), text("plain")},
		{text("\xff"), marked("\xff")},
		{"\x83\x01" + text("\xff") + text("x"), "\x83\x01" + marked("\xff") + text("x")},
		{"\xa1" + text("\xfe") + "\x81" + text("\xff"), "\xa1" + marked("\xfe") + "\x81" + marked("\xff")},
	} {
		got, err := MarkText(c.raw)
		if got != c.want || err != nil {
			t.Errorf("% x is marked as % x, %v", c.raw, got, err)
		}
		if back, err := UnmarkText(got); back != c.raw || err != nil {
			t.Errorf("% x is unmarked as % x, %v", got, back, err)
		}
	}
	for _, raw := range []string{"\x61", "\x82\x01\x62x"} {
		if got, err := MarkText(raw); err == nil {
			t.Errorf("% x, which is no value, is marked as % x", raw, got)
		}
	}
	for _, raw := range []string{tagged, tagged + "\x01", tagged + "\x41"} {
		if got, err := UnmarkText(raw); err == nil {
			t.Errorf("% x, which is no value, is unmarked as % x", raw, got)
		}
	}
}
