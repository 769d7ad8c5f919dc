package jsonl

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
)

// AppendValue appends an encoded value to b. Names of objects are sorted. An invalid
// encoding is kverr.Corrupt.
func AppendValue(b []byte, raw string) ([]byte, error) {
	p := printer{codec.NewLimits(context.Background(), raw)}
	b, rest, err := p.value(b, raw, 0, false)
	if err := p.End(rest, err); err != nil {
		return nil, err
	}
	return b, nil
}

// AppendString appends a text to b.
func AppendString(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		return appendBase64(b, nameText, s)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.Encode(s) // a valid string in memory: never fails
	return append(b, Harmless(bytes.TrimSuffix(out.Bytes(), []byte("\n")))...)
}

// printer writes the JSON of the encoded values that it reads.
type printer struct{ codec.Limits }

// value appends the value at the beginning of s, and returns the rest of s. The value
// is at a depth, 0 for the outermost; in a set, or as the key of a dict, it must be one
// that scripts accept there.
func (p *printer) value(b []byte, s string, depth int, hashed bool) ([]byte, string, error) {
	item, rest, err := cbor.Read(s)
	if err == nil && item.Kind > cbor.Bytes {
		item, rest, err = p.Enter(item, rest, depth)
	}
	if err != nil {
		return b, rest, err
	}
	n := int(item.Int)
	switch item.Kind {
	case cbor.Null:
		return append(b, "null"...), rest, nil
	case cbor.Bool:
		return strconv.AppendBool(b, item.Int == 1), rest, nil
	case cbor.Int:
		return strconv.AppendInt(b, item.Int, 10), rest, nil
	case cbor.Float:
		return appendFloat(b, item.Float), rest, nil
	case cbor.Text:
		return AppendString(b, item.Text), rest, nil
	case cbor.Bytes:
		return appendBase64(b, nameBytes, item.Text), rest, nil
	case codec.Tuple:
		return p.named(b, nameTuple, n, rest, depth, hashed)
	}
	switch {
	case hashed:
		return b, rest, fmt.Errorf("a list, set or dict in a set or as the key of a dict")
	case item.Kind == codec.Set:
		return p.named(b, nameSet, n, rest, depth, true)
	case item.Kind == cbor.Map:
		return p.dict(b, n, rest, depth+1)
	}
	return p.list(b, n, rest, depth, false)
}

func (p *printer) named(b []byte, name string, n int, s string, depth int, hashed bool) ([]byte, string, error) {
	b, rest, err := p.list(append(b, `{"`+name+`":`...), n, s, depth, hashed)
	return append(b, '}'), rest, err
}

func (p *printer) list(b []byte, n int, s string, depth int, hashed bool) (_ []byte, _ string, err error) {
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		if b, s, err = p.value(b, s, depth+1, hashed); err != nil {
			return b, s, err
		}
	}
	return append(b, ']'), s, nil
}

// member is a key of a dict with its value, as JSON.
type member struct {
	name       string // if it is text
	text       bool
	key, value []byte
}

// dict appends a dict of n keys with values: an object if it can be one. Of a text that
// comes twice the later value counts.
func (p *printer) dict(b []byte, n int, s string, depth int) ([]byte, string, error) {
	members := make([]member, 0, n)
	var ends []int // of keys and values in b
	start, texts, object := len(b), true, true
	for range n {
		var m member
		var err error
		m.name, m.text = textKey(s)
		texts = texts && m.text
		object = object && m.text && utf8.ValidString(m.name)
		if b, s, err = p.value(b, s, depth, true); err != nil {
			return b, s, err
		}
		ends = append(ends, len(b))
		if b, s, err = p.value(b, s, depth, false); err != nil {
			return b, s, err
		}
		ends = append(ends, len(b))
		members = append(members, m)
	}
	parts, from := bytes.Clone(b[start:]), start
	for i := range members {
		members[i].key, members[i].value = parts[from-start:ends[2*i]-start], parts[ends[2*i]-start:ends[2*i+1]-start]
		from = ends[2*i+1]
	}
	members = latest(members)
	if texts {
		slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	}
	b = b[:start]
	if object && (len(members) != 1 || !strings.HasPrefix(members[0].name, "$")) {
		return appendMembers(b, members, "{", "", ":", "", "}"), s, nil
	}
	return appendMembers(b, members, `{"`+nameDict+`":[`, "[", ",", "]", "]}"), s, nil
}

func appendMembers(b []byte, members []member, begin, before, between, after, end string) []byte {
	b = append(b, begin...)
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, before...), m.key...), between...)
		b = append(append(b, m.value...), after...)
	}
	return append(b, end...)
}

// latest drops each member whose text another one after it has too.
func latest(members []member) []member {
	if len(members) < 2 {
		return members
	}
	last := make(map[string]int, len(members))
	for i, m := range members {
		if m.text {
			last[m.name] = i
		}
	}
	kept := members[:0]
	for i, m := range members {
		if !m.text || last[m.name] == i {
			kept = append(kept, m)
		}
	}
	return kept
}

// textKey returns the text that s begins with, if it is one.
func textKey(s string) (string, bool) {
	item, rest, err := cbor.Read(s)
	if err == nil && item.Kind == cbor.Tag {
		limits := codec.NewLimits(context.Background(), s)
		item, _, err = limits.Enter(item, rest, 0)
	}
	return item.Text, err == nil && item.Kind == cbor.Text
}

func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(AppendString(append(b, `{"`+nameFloat+`":`...), strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, 64), "+"))), '}')
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !bytes.ContainsAny(b[start:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}

func appendBase64(b []byte, name, data string) []byte {
	b = append(b, `{"`+name+`":"`...)
	b = base64.StdEncoding.AppendEncode(b, []byte(data))
	return append(b, `"}`...)
}
