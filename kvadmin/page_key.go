package kvadmin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
	"github.com/scriptling-kv/extlibs/internal/literal"
)

// preview returns a value as one short line.
func preview(v any) string {
	short, long := cut(literal.Format(v), 100)
	if long {
		short += "…"
	}
	return short
}

// view is one form of a value.
type view struct {
	Name, Text string
	Open       bool
	Length     string // of a text that is cut
	All        string // URL with the whole text
}

// keyPage is the body of the page of a key.
type keyBody struct {
	Key, Type, Size, Left string
	Seconds               float64
	Views                 []view
	Error                 string // why the value is not shown
	Trail                 []link
	Edit                  string // the value for the form; "" if it is too large
	Was                   string // a hash of the value
	SetURL, ExpireURL     string
	DeleteURL, JSONURL    string
	WatchURL              string
}

// Limits of the texts of values.
const (
	openChars  = 2000      // of a text that is not collapsed
	viewChars  = 20_000    // of a text without all=1
	allChars   = 4_000_000 // of one with it
	editBytes  = 64 << 10  // of an encoded value that can be edited
	dumpBytes  = 4096      // of bytes shown as hex without all=1
	allDump    = 256 << 10
	shownBytes = 16 << 20 // of an encoded value that is shown
)

// keyPage shows one key.
func (q *request) keyPage(e extlibs.Entry) error {
	b := keyBody{
		Key: printable(e.Key), Type: typeOf(e.Value), Size: size(int64(e.Value.Len())), Was: hashOf(e.Value),
		Trail: q.trail(e.Key), SetURL: q.urlOf("set", "key", e.Key), ExpireURL: q.urlOf("expire", "key", e.Key),
		DeleteURL: q.urlOf("delete", "key", e.Key), JSONURL: q.urlOf("key", "key", e.Key, "format", "json"),
	}
	if n := len(b.Trail); n > 0 {
		b.Trail = b.Trail[:n-1]
	}
	if e.TTL > 0 {
		b.Left, b.Seconds = left(e.TTL), e.TTL.Seconds()
	}
	switch {
	case !q.opts.Values:
	case e.Value.Len() > shownBytes:
		b.Error = "The value is too large for a page; download it as JSON."
	default:
		v, err := e.Value.DecodeWithin(q.ctx, decodeBytes)
		if err != nil {
			b.Error = failureOf(err).text
			break
		}
		q.views(&b, e, v)
	}
	return q.show(http.StatusOK, "key", q.newPage(brief(e.Key, 60), "browse", b))
}

// views adds the forms of a value.
func (q *request) views(b *keyBody, e extlibs.Entry, v any) {
	all := isTrue(q.r.URL.Query().Get("all"))
	most, dump := viewChars, dumpBytes
	if all {
		most, dump = allChars, allDump
	}
	add := func(name, text string, open bool) {
		n := len(text)
		shown, long := cut(text, most)
		w := view{Name: name, Text: shown, Open: open && (n <= openChars || all)}
		if long {
			w.Length = size(int64(n))
			if !all {
				w.All = q.urlOf("key", "key", e.Key, "all", "1")
			}
		}
		b.Views = append(b.Views, w)
	}
	script := ""
	if e.Value.Len() <= prettyBytes {
		script = pretty(v)
	} else {
		script = literal.Format(v)
	}
	if e.Value.Len() <= editBytes {
		b.Edit = script
	}
	add("Script literal", script, true)
	switch v := v.(type) {
	case string:
		if strings.ContainsAny(v, "\n\t") {
			add("Text", visible(v), true)
		}
	case []byte:
		part := v[:min(len(v), dump)]
		add("Hex", strings.TrimSuffix(hex.Dump(part), "\n"), true)
		w := &b.Views[len(b.Views)-1]
		w.Open = true
		if len(part) < len(v) {
			w.Length = size(int64(len(v)))
			if !all {
				w.All = q.urlOf("key", "key", e.Key, "all", "1")
			}
		}
	}
	text, err := jsonl.AppendValue(nil, e.Value.Raw())
	if err == nil {
		var lines bytes.Buffer
		if e.Value.Len() <= prettyBytes && json.Indent(&lines, text, "", "  ") == nil {
			text = lines.Bytes()
		}
		add("JSON", string(text), false)
	}
}

// visible replaces the characters of a text that are not printable, except line breaks and
// tabs.
func visible(s string) string {
	var b strings.Builder
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		for j, part := range strings.Split(line, "\t") {
			if j > 0 {
				b.WriteByte('\t')
			}
			quoted := literal.Format(part)
			b.WriteString(strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(quoted[1 : len(quoted)-1]))
		}
	}
	return b.String()
}

// hashOf returns a hash of a value, by which a form knows the value that it changes.
func hashOf(v extlibs.Value) string {
	sum := sha256.Sum256([]byte(v.Raw()))
	return hex.EncodeToString(sum[:])
}
