// Package wire speaks the protocol of Redis and Valkey: connections that many
// callers share, and whose errors report whether a request was sent.
//
// The driver needs to know that, because an executed write must never be reported as
// not done. The client library that it used before reports a request that was sent when
// the connection closes as closed, follows redirects without a limit, sends commands on
// idle connections, and keeps the arguments of calls that were given up. The tests and the
// benchmark still use that library.
//
//	reply.go    Reply, and the parser, which trusts no server
//	request.go  Request: a command, and how it is written
//	conn.go     Conn: requests of concurrent callers, pipelined
//	dial.go     Dial: connecting, TLS and the handshake
//	channel.go  Subscribe: a connection that listens to channels
package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"
)

// Kind is the type of a reply.
type Kind byte

// The kinds. Maps and sets are lists.
const (
	Nil Kind = iota
	Text
	Int
	List
	Error
)

// Reply is what a server answered.
type Reply struct {
	Kind Kind
	Text string // of Text and Error
	Int  int64
	List []Reply
}

// Number returns an integer that came as such or as text.
func (r *Reply) Number() (int64, bool) {
	switch r.Kind {
	case Int:
		return r.Int, true
	case Text:
		n, err := strconv.ParseInt(r.Text, 10, 64)
		return n, err == nil
	}
	return 0, false
}

// Lookup returns the value of a name in a list of names and values.
func (r *Reply) Lookup(name string) string {
	for i := 0; i+1 < len(r.List); i += 2 {
		if r.List[i].Text == name {
			return r.List[i+1].Text
		}
	}
	return ""
}

// Code returns the first word of an error.
func (r *Reply) Code() string {
	if r.Kind != Error {
		return ""
	}
	code, _, _ := strings.Cut(r.Text, " ")
	return code
}

const (
	maxLine    = 64 << 10 // longest line: an error, or text without a length
	maxNested  = 16       // lists inside each other; real replies have five
	entryBytes = int64(unsafe.Sizeof(Reply{}))
	firstRead  = 1 << 20 // a longer string is read in growing pieces
	firstList  = 1 << 10 // so is a longer list
)

// ErrForeign is the error of a server that does not speak the protocol.
var ErrForeign = errors.New("it does not speak the Redis protocol")

// parser reads replies. It does not believe lengths: scripts can choose servers.
type parser struct {
	r     *bufio.Reader
	limit *atomic.Int64 // bytes of one reply
	size  int64         // of the reply so far
}

func newParser(r io.Reader, limit *atomic.Int64) *parser {
	return &parser{r: bufio.NewReaderSize(r, maxLine), limit: limit}
}

// next returns the next reply.
func (p *parser) next() (Reply, error) {
	p.size = 0
	return p.read(0)
}

func (p *parser) read(depth int) (Reply, error) {
	line, err := p.line()
	if err != nil {
		return Reply{}, err
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', ',', '(':
		return Reply{Kind: Text, Text: string(rest)}, p.take(int64(len(rest)))
	case '-':
		return Reply{Kind: Error, Text: string(rest)}, p.take(int64(len(rest)))
	case ':':
		n, err := strconv.ParseInt(unsafe.String(unsafe.SliceData(rest), len(rest)), 10, 64)
		if err != nil {
			return Reply{}, ErrForeign
		}
		return Reply{Kind: Int, Int: n}, nil
	case '_':
		if len(rest) != 0 {
			return Reply{}, ErrForeign
		}
		return Reply{}, nil
	case '#':
		switch string(rest) {
		case "t":
			return Reply{Kind: Int, Int: 1}, nil
		case "f":
			return Reply{Kind: Int}, nil
		}
		return Reply{}, ErrForeign
	}
	n, ok := length(rest)
	if !ok {
		return Reply{}, ErrForeign
	}
	switch kind {
	case '$', '=', '!':
		if n < 0 {
			return Reply{}, nil
		}
		text, err := p.text(n)
		if kind == '!' {
			return Reply{Kind: Error, Text: text}, err
		}
		return Reply{Kind: Text, Text: text}, err
	case '%':
		if n < 0 {
			return Reply{}, ErrForeign
		}
		return p.list(2*n, depth)
	case '*', '~':
		if n < 0 {
			return Reply{}, nil
		}
		return p.list(n, depth)
	}
	return Reply{}, ErrForeign
}

// line returns a line without its end, valid until the next read.
func (p *parser) line() ([]byte, error) {
	line, err := p.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return nil, ErrForeign
	}
	if err != nil {
		if err == io.EOF && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if len(line) < len("_\r\n") || line[len(line)-2] != '\r' {
		return nil, ErrForeign
	}
	return line[:len(line)-2], nil
}

// length is -1, or up to ten digits.
func length(b []byte) (n int64, ok bool) {
	if string(b) == "-1" {
		return -1, true
	}
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

func (p *parser) take(n int64) error {
	if p.size += n; p.size > p.limit.Load() {
		return fmt.Errorf("a reply is larger than %d bytes, which is more than MaxValueBytes and MaxOperationBytes of the host need", p.limit.Load())
	}
	return nil
}

func (p *parser) text(n int64) (string, error) {
	if err := p.take(n); err != nil {
		return "", err
	}
	b := make([]byte, min(n, firstRead))
	if _, err := io.ReadFull(p.r, b); err != nil {
		return "", ended(err)
	}
	for int64(len(b)) < n {
		more := make([]byte, min(n, 4*int64(len(b))))
		read := copy(more, b)
		b = more
		if _, err := io.ReadFull(p.r, b[read:]); err != nil {
			return "", ended(err)
		}
	}
	var end [2]byte
	if _, err := io.ReadFull(p.r, end[:]); err != nil {
		return "", ended(err)
	}
	if end != [2]byte{'\r', '\n'} {
		return "", ErrForeign
	}
	return unsafe.String(unsafe.SliceData(b), len(b)), nil
}

// ended is the error of a truncated reply.
func ended(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (p *parser) list(n int64, depth int) (Reply, error) {
	if depth == maxNested {
		return Reply{}, ErrForeign
	}
	if err := p.take(n * entryBytes); err != nil {
		return Reply{}, err
	}
	list := make([]Reply, 0, min(n, firstList))
	for range n {
		r, err := p.read(depth + 1)
		if err != nil {
			return Reply{}, ended(err)
		}
		list = append(list, r)
	}
	return Reply{Kind: List, List: list}, nil
}
