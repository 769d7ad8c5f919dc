package literal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
)

// maxDepth bounds the nesting of what Parse takes: stores take no more.
const maxDepth = extlibs.MaxDepth

// Parse returns the value of a text, in the form that Format writes. The text is data, not a
// program: Parse runs nothing.
func Parse(text string) (any, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New(`the value is not valid UTF-8; write \xNN for each invalid byte of a string`)
	}
	p := &parser{rest: text, size: len(text)}
	v, err := p.value(0)
	if err == nil {
		if p.space(); p.rest != "" {
			err = p.fail("unexpected text after the value")
		}
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

type parser struct {
	rest string
	size int
}

func (p *parser) fail(what string) error {
	return fmt.Errorf(`%s at character %d; write the value as in a script, such as 42, "text" or {"user": "bob"}`, what, p.size-len(p.rest)+1)
}

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take skips a token if it comes next.
func (p *parser) take(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

var words = []struct {
	word  string
	value any
}{{"None", nil}, {"True", true}, {"False", false}}

func (p *parser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, p.fail(fmt.Sprintf("more than %d levels of nesting", maxDepth))
	}
	p.space()
	for _, w := range words {
		if p.take(w.word) {
			return w.value, nil
		}
	}
	switch {
	case p.rest == "":
		return nil, p.fail("a value is missing")
	case p.rest[0] == '"' || p.rest[0] == '\'':
		return p.text()
	case strings.IndexByte("+-0123456789", p.rest[0]) >= 0:
		return p.number()
	case p.take("["):
		list, _, err := p.list("]", depth)
		return list, err
	case p.take("("):
		return p.tuple(depth)
	case p.take("{"):
		return p.braces(depth)
	case p.take("set()"):
		return extlibs.Set{}, nil
	case p.take("float("):
		return p.called(func(s string) (any, error) { return strconv.ParseFloat(s, 64) })
	case p.take("bytes.fromhex("):
		return p.called(func(s string) (any, error) { return hex.DecodeString(s) })
	case p.take("bytes("):
		return p.called(func(s string) (any, error) { return []byte(s), nil })
	}
	return nil, p.fail("not a value")
}

// called reads the text and the bracket that end a call.
func (p *parser) called(convert func(string) (any, error)) (any, error) {
	p.space()
	s, err := p.text()
	if err != nil {
		return nil, err
	}
	v, err := convert(s.(string))
	if err != nil || !p.take(")") {
		return nil, p.fail("an invalid argument or a missing closing bracket")
	}
	return v, nil
}

func (p *parser) number() (any, error) {
	end := 1
	for end < len(p.rest) && strings.IndexByte("+-.0123456789eExXabcdfABCDF_", p.rest[end]) >= 0 {
		end++
	}
	s := p.rest[:end]
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		p.rest = p.rest[end:]
		return i, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && strings.ContainsAny(s, ".eE") && !strings.ContainsAny(s, "xX_") {
		p.rest = p.rest[end:]
		return f, nil
	}
	return nil, p.fail("not a 64-bit number")
}

// list reads members up to end. comma is whether one stood before it.
func (p *parser) list(end string, depth int) (list []any, comma bool, err error) {
	list = []any{}
	for !p.take(end) {
		if len(list) > 0 && !comma {
			return nil, false, p.fail("a comma is missing")
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, false, err
		}
		list = append(list, v)
		comma = p.take(",")
	}
	return list, comma, nil
}

func (p *parser) tuple(depth int) (any, error) {
	list, comma, err := p.list(")", depth)
	if err != nil {
		return nil, err
	}
	if len(list) == 1 && !comma {
		return list[0], nil // brackets around a value
	}
	return extlibs.Tuple(list), nil
}

// braces reads a dict or a set.
func (p *parser) braces(depth int) (any, error) {
	if p.take("}") {
		return map[string]any{}, nil
	}
	var set extlibs.Set
	var dict extlibs.Dict
	for {
		key, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		switch {
		case p.take(":") && set == nil:
			value, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			dict = put(dict, key, value)
		case dict == nil:
			set = append(set, key)
		default:
			return nil, p.fail("a missing or unexpected colon")
		}
		comma := p.take(",")
		if p.take("}") {
			break
		}
		if !comma {
			return nil, p.fail("a comma is missing")
		}
	}
	if set != nil {
		return set, nil
	}
	return plain(dict), nil
}

// put replaces the value of a key that is there, as a dict does.
func put(dict extlibs.Dict, key, value any) extlibs.Dict {
	if s, ok := key.(string); ok {
		for i := range dict {
			if dict[i].Key == s {
				dict[i].Value = value
				return dict
			}
		}
	} else {
		for i := range dict {
			if reflect.DeepEqual(dict[i].Key, key) {
				dict[i].Value = value
				return dict
			}
		}
	}
	return append(dict, extlibs.Pair{Key: key, Value: value})
}

// plain returns a dict in the type that stores return it in.
func plain(dict extlibs.Dict) any {
	m := make(map[string]any, len(dict))
	for _, p := range dict {
		s, ok := p.Key.(string)
		if !ok {
			return dict
		}
		m[s] = p.Value
	}
	return m
}

var unescapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", '\\': `\`, '"': `"`, '\'': "'", '0': "\x00"}

// text reads a quoted string. A backslash before any other character stays, as
// it does in scripts, but for \x, \u and \U.
func (p *parser) text() (any, error) {
	if p.rest == "" || p.rest[0] != '"' && p.rest[0] != '\'' {
		return nil, p.fail("a quoted string is missing")
	}
	end, s := p.rest[0], p.rest[1:]
	var b strings.Builder
	for {
		i := strings.IndexAny(s, `\`+string(end))
		if i < 0 {
			return nil, p.fail("a string without a closing quote")
		}
		b.WriteString(s[:i])
		if s[i] == end {
			p.rest = s[i+1:]
			return b.String(), nil
		}
		if s = s[i+1:]; s == "" {
			continue
		}
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
		switch plain, known := unescapes[s[0]]; {
		case known:
			b.WriteString(plain)
			s = s[1:]
		case digits > 0 && len(s) > digits:
			n, err := strconv.ParseUint(s[1:1+digits], 16, 32)
			if err != nil || n > 0x10ffff {
				b.WriteString(`\` + s[:1])
				s = s[1:]
				continue
			}
			switch {
			case digits == 2:
				b.WriteByte(byte(n))
			case utf16.IsSurrogate(rune(n)): // which WriteRune would replace
				p.rest = s
				return nil, p.fail(`half of a surrogate pair (write characters beyond \uffff as \U0001f600)`)
			default:
				b.WriteRune(rune(n))
			}
			s = s[1+digits:]
		default:
			b.WriteByte('\\')
		}
	}
}
