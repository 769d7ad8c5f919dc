// Package jsonl reads and writes exports: JSON Lines, with one entry per line, which preserve
// every type and the remaining ttl.
//
//	{"key":"session:abc","value":{"user":"bob"},"ttl":3599.5}
//
// None, bool, int, str, list and dict are the types of JSON; a float always has a point or an
// exponent. A value of another type is an object with a single name:
//
//	{"$float":"nan"} {"$bytes":"AP8="} {"$text":"/w=="} {"$tuple":[1]} {"$set":[1]} {"$dict":[[1,"one"]]}
//
// $text is a str that is not valid UTF-8. $dict is a dict with a key that is not a str, or
// with a single key that begins with a dollar sign.
//
//	jsonl.go     lines: Append, Reader
//	print.go     encoded values to JSON
//	parse.go     JSON to encoded values
//	text.go      invalid text, seconds
//	terminal.go  what a terminal would obey
package jsonl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Entry is a line.
type Entry struct {
	Key   string
	Value string        // encoded, see package codec
	TTL   time.Duration // remaining; 0 for no expiry
}

// The names of the objects that represent types that JSON does not have.
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
	b = AppendString(b, e.Key)
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

// Next returns the next entry, io.EOF after the last one. Empty lines are skipped. A line that
// is not an entry is kverr.Invalid, one that is too long kverr.TooLarge; other errors come
// from the reader. An error names the line, but does not show its content.
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
		switch readErr := r.lines.Err(); {
		case err == nil:
			return e, nil
		case readErr != nil: // the line ends where reading failed
			return Entry{}, fmt.Errorf("line %d: %w", r.line, readErr)
		}
		return Entry{}, kverr.Errorf(kverr.Invalid, "line %d: %w", r.line, err)
	}
	switch err := r.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return Entry{}, kverr.Errorf(kverr.TooLarge, "line %d: the line is longer than the largest value that the store accepts; split the value, or raise MaxValueBytes", r.line+1)
	case err != nil:
		return Entry{}, fmt.Errorf("line %d: %w", r.line+1, err)
	}
	return Entry{}, io.EOF
}

// Line returns the number of the line that was read last.
func (r *Reader) Line() int { return r.line }

var errLine = errors.New(`not an entry; write {"key": "...", "value": ..., "ttl": seconds}, where ttl is optional`)

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
	v, err := encode(raw.Value)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Key: *raw.Key, Value: v}
	if raw.TTL != "" {
		var ok bool
		if e.TTL, ok = ParseSeconds(string(raw.TTL)); !ok {
			return Entry{}, errors.New("ttl is out of range; use a number of seconds from 0 (no expiry) to 100 years")
		}
	}
	return e, nil
}
