// Package jsonl is the format of exports: JSON Lines, an entry each, which keep
// every type and the time left.
//
//	{"key":"session:abc","value":{"user":"bob"},"ttl":3599.5}
//
// None, bool, int, str, list and dict are JSON's own; a float always has a point
// or an exponent. What JSON lacks is an object with one name:
//
//	{"$float":"nan"} {"$bytes":"AP8="} {"$text":"/w=="} {"$tuple":[1]} {"$set":[1]} {"$dict":[[1,"one"]]}
//
// $text is a str that is not valid UTF-8. $dict is a dict with keys that are no
// str, or with a single key that begins with a dollar sign.
package jsonl

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
)

// Entry is a line. TTL is the time left, 0 for no expiry.
type Entry struct {
	Key   string
	Value any
	TTL   time.Duration
}

// The names of the objects that stand for what JSON lacks.
const (
	nameFloat = "$float"
	nameBytes = "$bytes"
	nameText  = "$text"
	nameTuple = "$tuple"
	nameSet   = "$set"
	nameDict  = "$dict"
)

// Append appends the line of an entry, with its end, to b.
func Append(b []byte, e Entry) ([]byte, error) {
	if !utf8.ValidString(e.Key) {
		return nil, errors.New("the key is not valid UTF-8")
	}
	b = append(b, `{"key":`...)
	b = appendString(b, e.Key)
	b = append(b, `,"value":`...)
	b, err := AppendValue(b, e.Value)
	if err != nil {
		return nil, err
	}
	if e.TTL > 0 {
		b = append(b, `,"ttl":`...)
		b = strconv.AppendFloat(b, Storable(e.TTL).Seconds(), 'f', -1, 64)
	}
	return append(b, "}\n"...), nil
}

// AppendValue appends a value, of the types that extlibs.Encode lists, to b.
// Names of objects are sorted.
func AppendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return appendFloat(b, v), nil
	case string:
		if !utf8.ValidString(v) {
			return appendBase64(b, nameText, []byte(v)), nil
		}
		return appendString(b, v), nil
	case []byte:
		return appendBase64(b, nameBytes, v), nil
	case []any:
		return appendList(b, v)
	case extlibs.Tuple:
		return appendNamed(b, nameTuple, v)
	case extlibs.Set:
		return appendNamed(b, nameSet, v)
	case map[string]any:
		return appendMap(b, v)
	case extlibs.Dict:
		pairs := make([]any, len(v))
		for i, p := range v {
			pairs[i] = []any{p.Key, p.Value}
		}
		return appendNamed(b, nameDict, pairs)
	}
	return nil, fmt.Errorf("a value of type %T", v)
}

func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(appendString(append(b, `{"`+nameFloat+`":`...), strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, 64), "+"))), '}')
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !bytes.ContainsAny(b[start:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.Encode(s) // a valid string in memory: never fails
	return append(b, Harmless(bytes.TrimSuffix(out.Bytes(), []byte("\n")))...)
}

func appendBase64(b []byte, name string, data []byte) []byte {
	b = append(b, `{"`+name+`":"`...)
	b = base64.StdEncoding.AppendEncode(b, data)
	return append(b, `"}`...)
}

func appendNamed(b []byte, name string, list []any) ([]byte, error) {
	b, err := appendList(append(b, `{"`+name+`":`...), list)
	return append(b, '}'), err
}

func appendList(b []byte, list []any) (_ []byte, err error) {
	b = append(b, '[')
	for i, el := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = AppendValue(b, el); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendMap(b []byte, m map[string]any) (_ []byte, err error) {
	keys := slices.Sorted(maps.Keys(m))
	if len(keys) == 1 && strings.HasPrefix(keys[0], "$") || slices.ContainsFunc(keys, func(k string) bool { return !utf8.ValidString(k) }) {
		pairs := make([]any, len(keys))
		for i, k := range keys {
			pairs[i] = []any{k, m[k]}
		}
		return appendNamed(b, nameDict, pairs)
	}
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		if b, err = AppendValue(b, m[k]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// lineFactor times the largest value limits a line: a value in base64 or with the
// escapes of JSON, six bytes for one, and the key.
const lineFactor = 16

// byteOrderMark is what some editors and shells put before a text in UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

// A Reader reads entries.
type Reader struct {
	lines *bufio.Scanner
	line  int
}

// NewReader returns a Reader of r, for entries whose values have at most maxValueBytes
// in a store.
func NewReader(r io.Reader, maxValueBytes int) *Reader {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), int(min(lineFactor*max(int64(maxValueBytes), 1<<20), math.MaxInt)))
	return &Reader{lines: s}
}

// Next returns the next entry, io.EOF after the last one. Empty lines are
// skipped. An error names the line, and nothing of its content.
func (r *Reader) Next() (Entry, error) {
	for r.lines.Scan() {
		r.line++
		text := r.lines.Bytes()
		if r.line == 1 {
			text = bytes.TrimPrefix(text, byteOrderMark)
		}
		text = bytes.TrimSpace(text)
		if len(text) == 0 {
			continue
		}
		e, err := parse(text)
		if readErr := r.lines.Err(); err != nil && readErr != nil {
			err = readErr // the line ends where reading failed
		}
		if err != nil {
			return Entry{}, fmt.Errorf("line %d: %w", r.line, err)
		}
		return e, nil
	}
	if err := r.lines.Err(); err != nil {
		return Entry{}, fmt.Errorf("line %d: %w", r.line+1, err)
	}
	return Entry{}, io.EOF
}

// Line is the number of the line that was read last.
func (r *Reader) Line() int { return r.line }

var errLine = errors.New(`not an entry; a line is {"key": "...", "value": ..., "ttl": seconds}, and ttl may be left out`)

func parse(text []byte) (Entry, error) {
	if err := checkText(text); err != nil {
		return Entry{}, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	d.DisallowUnknownFields()
	var raw struct {
		Key   *string         `json:"key"`
		Value json.RawMessage `json:"value"`
		TTL   json.Number     `json:"ttl"`
	}
	if err := d.Decode(&raw); err != nil || raw.Key == nil || raw.Value == nil {
		return Entry{}, errLine
	}
	if _, err := d.Token(); err != io.EOF {
		return Entry{}, errLine
	}
	v, err := parseValue(raw.Value)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Key: *raw.Key, Value: v}
	if raw.TTL != "" {
		var ok bool
		if e.TTL, ok = ParseSeconds(string(raw.TTL)); !ok {
			return Entry{}, errors.New("ttl is not a number of seconds from 0 (no expiry) up to 100 years")
		}
	}
	return e, nil
}

// ParseValue returns the value of a JSON text.
func ParseValue(text []byte) (any, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	return parseValue(text)
}

func parseValue(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var raw any
	if err := d.Decode(&raw); err != nil {
		return nil, errors.New("not JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return value(raw, 0)
}

// value turns what encoding/json made into the types of a store.
func value(raw any, depth int) (any, error) {
	if depth > extlibs.MaxDepth {
		return nil, fmt.Errorf("the value is nested more than %d levels", extlibs.MaxDepth)
	}
	switch raw := raw.(type) {
	case json.Number:
		return number(string(raw))
	case []any:
		return list(raw, depth)
	case map[string]any:
		if len(raw) == 1 {
			for name, el := range raw {
				if strings.HasPrefix(name, "$") {
					return named(name, el, depth)
				}
			}
		}
		for k, el := range raw {
			v, err := value(el, depth+1)
			if err != nil {
				return nil, err
			}
			raw[k] = v
		}
		return raw, nil
	}
	return raw, nil // nil, bool, string
}

func number(s string) (any, error) {
	if !strings.ContainsAny(s, ".eE") {
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, errors.New("an int is beyond 64 bits")
		}
		return i, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, errors.New("a float is beyond 64 bits")
	}
	return f, nil
}

func list(raw []any, depth int) ([]any, error) {
	for i, el := range raw {
		v, err := value(el, depth+1)
		if err != nil {
			return nil, err
		}
		raw[i] = v
	}
	return raw, nil
}

func named(name string, raw any, depth int) (any, error) {
	text, isText := raw.(string)
	elems, isList := raw.([]any)
	switch {
	case name == nameFloat && isText:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f, nil
		}
	case (name == nameBytes || name == nameText) && isText:
		b, err := base64.StdEncoding.DecodeString(text)
		if err == nil && name == nameText {
			return string(b), nil
		}
		if err == nil {
			return b, nil
		}
	case name == nameTuple && isList:
		l, err := list(elems, depth)
		return extlibs.Tuple(l), err
	case name == nameSet && isList:
		l, err := list(elems, depth)
		return extlibs.Set(l), err
	case name == nameDict && isList:
		return dict(elems, depth)
	}
	return nil, fmt.Errorf("an object with the one name %.20q that does not stand for a type", name)
}

func dict(elems []any, depth int) (any, error) {
	d := make(extlibs.Dict, len(elems))
	texts := make(map[string]any, len(elems))
	for i, el := range elems {
		pair, ok := el.([]any)
		if !ok || len(pair) != 2 {
			return nil, errors.New("a dict that is not a list of pairs")
		}
		pair, err := list(pair, depth+1)
		if err != nil {
			return nil, err
		}
		d[i] = extlibs.Pair{Key: pair[0], Value: pair[1]}
		if s, ok := pair[0].(string); ok {
			texts[s] = pair[1]
		}
	}
	if len(texts) == len(d) {
		return texts, nil
	}
	return d, nil
}
