package redisstore

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
)

// guard reads along with a connection. The client believes its server: a length
// that no memory has, lists without end inside each other, or a reply that nobody
// asked for would end the process. Scripts may choose servers, so a guard ends the
// connection instead.
type guard struct {
	net.Conn
	most   *atomic.Int64 // bytes of one reply
	pushes bool          // messages that nobody asked for are in order
	sent   atomic.Int64  // requests

	// What is being read. Only the client's reader uses it.
	head    [maxHead]byte // the beginning of a line
	line    int           // the bytes of the line so far
	skip    int64         // bytes of a string, and its end, still to come
	open    []int64       // for each list that has begun, what is still missing
	size    int64         // of the reply so far
	push    bool          // it is a message
	replies int64

	// What is being written. Only the client's writer uses it.
	request requestReader
}

const (
	maxHead    = 16       // longest length, with its kind and its end
	maxLine    = 64 << 10 // longest text without a length, such as an error
	maxNested  = 16       // lists inside each other; real replies have five
	entryBytes = 40       // what the client takes for each part of a list
)

var errForeign = errors.New("it does not speak the protocol of Redis")

func newGuard(c net.Conn, most *atomic.Int64, pushes bool) *guard {
	return &guard{Conn: c, most: most, pushes: pushes}
}

// Write counts the requests before the server has them.
func (g *guard) Write(p []byte) (int, error) {
	if n := g.request.count(p); n > 0 {
		g.sent.Add(n)
	}
	return g.Conn.Write(p)
}

// Read returns nothing of what holds a violation.
func (g *guard) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if bad := g.check(p[:n]); bad != nil {
		g.Conn.Close()
		return 0, bad
	}
	return n, err
}

func (g *guard) check(p []byte) error {
	for len(p) > 0 {
		if g.skip > 0 {
			n := min(g.skip, int64(len(p)))
			p = p[n:]
			if g.skip -= n; g.skip == 0 {
				g.ended()
			}
			continue
		}
		i := bytes.IndexByte(p, '\n')
		part := p
		if i >= 0 {
			part = p[:i]
		}
		if g.line < maxHead {
			copy(g.head[g.line:], part)
		}
		if g.line += len(part); g.line > maxLine {
			return errForeign
		}
		if i < 0 {
			return nil
		}
		last := byte(0)
		switch {
		case len(part) > 0:
			last = part[len(part)-1]
		case g.line > 0 && g.line <= maxHead:
			last = g.head[g.line-1]
		case g.line > maxHead:
			last = '\r' // of a text, where it does not matter
		}
		p = p[i+1:]
		length := g.line
		g.line = 0
		if length < 2 || last != '\r' {
			return errForeign
		}
		if err := g.begin(length); err != nil {
			return err
		}
	}
	return nil
}

// begin takes the line that each part of a reply begins with.
func (g *guard) begin(length int) error {
	kind := g.head[0]
	if len(g.open) == 0 {
		g.size, g.push = 0, kind == '>'
		if !g.push && !g.pushes && g.replies >= g.sent.Load() {
			return errors.New("it answers what nobody asked")
		}
	}
	switch kind {
	case '+', '-', ':', ',', '(':
		if err := g.take(int64(length)); err != nil {
			return err
		}
		g.ended()
		return nil
	case '_', '#': // the client reads so many bytes, whatever they are
		if kind == '_' && length != len("_\r") || kind == '#' && length != len("#t\r") {
			return errForeign
		}
		g.ended()
		return nil
	}
	n, ok := g.number(length)
	if !ok {
		return errForeign
	}
	switch kind {
	case '$', '=', '!':
		if n < 0 {
			g.ended()
			return nil
		}
		g.skip = n + int64(len("\r\n"))
		return g.take(n)
	case '>':
		if !g.pushes {
			return errForeign
		}
	case '%':
		if n < 0 {
			return errForeign
		}
		n *= 2
	case '*', '~':
	default:
		return errForeign
	}
	if n <= 0 {
		g.ended()
		return nil
	}
	if len(g.open) == maxNested {
		return errForeign
	}
	g.open = append(g.open, n)
	return g.take(n * entryBytes)
}

// number is the length in the head: -1, or up to ten digits.
func (g *guard) number(length int) (n int64, ok bool) {
	if length > maxHead {
		return 0, false
	}
	digits := g.head[1 : length-1]
	if string(digits) == "-1" {
		return -1, true
	}
	if len(digits) == 0 || len(digits) > 10 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

func (g *guard) take(n int64) error {
	if g.size += n; g.size > g.most.Load() {
		return fmt.Errorf("a reply is larger than %d bytes, which is more than MaxValueBytes and MaxOperationBytes of the host need", g.most.Load())
	}
	return nil
}

// ended says that a part of a reply is complete, and so may be the lists it ends.
func (g *guard) ended() {
	for len(g.open) > 0 {
		last := len(g.open) - 1
		if g.open[last]--; g.open[last] > 0 {
			return
		}
		g.open = g.open[:last]
	}
	if !g.push {
		g.replies++
	}
}

// requestReader finds the requests in what the client writes: lists of strings.
type requestReader struct {
	skip   int64 // bytes of a string, and its end, still to come
	kind   byte  // of the line that has begun
	number int64
}

// count returns how many requests begin in p.
func (r *requestReader) count(p []byte) (requests int64) {
	for len(p) > 0 {
		if r.skip > 0 {
			n := min(r.skip, int64(len(p)))
			r.skip -= n
			p = p[n:]
			continue
		}
		c := p[0]
		p = p[1:]
		switch {
		case r.kind == 0:
			r.kind, r.number = c, 0
			if c == '*' {
				requests++
			}
		case c >= '0' && c <= '9':
			r.number = r.number*10 + int64(c-'0')
		case c == '\n':
			if r.kind == '$' {
				r.skip = r.number + int64(len("\r\n"))
			}
			r.kind = 0
		}
	}
	return requests
}
