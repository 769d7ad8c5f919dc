package wire

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// The reasons for which a connection ends by itself.
var (
	ErrClosed = errors.New("the connection was closed")
	ErrSilent = errors.New("the server does not answer")
	errAsked  = errors.New("it sent a reply without a request")
)

// directBytes is how much a caller writes itself while the server has that much
// unanswered: the buffers of the system take it, so that the caller does not block.
const directBytes = 16 << 10

// Conn is a connection that callers share. Requests are answered in their order.
// It sends nothing by itself.
type Conn struct {
	Mode    string // of the server: "cluster", "sentinel", "standalone"
	Version string

	link
	idle   sync.Pool     // of calls
	wake   chan struct{} // the writer, if there is something to write
	broken atomic.Bool   // err is set
	flow
}

// link is the way to the server.
type link struct {
	net     net.Conn
	address string
	moved   atomic.Int64  // bytes read and written: that it is alive
	out     *bufio.Writer // of the goroutine that has set writing
	in      *parser       // of the reader
}

// flow is the calls of a connection that are under way.
type flow struct {
	mu         sync.Mutex
	err        error
	pending    []*call // not written yet
	sent       calls   // not answered yet
	unanswered int64   // bytes of sent
	writing    bool
	silence
}

// silence finds out that the server does not answer. The mutex of flow guards it.
type silence struct {
	silent   time.Duration // the longest one
	watched  int64         // moved when the timer was set
	watch    *time.Timer
	watching bool
}

// call is a request on its way. What is below state is guarded by Conn.mu until done
// has a message.
type call struct {
	done   chan struct{}
	bytes  int64
	state  state
	req    Request
	result Result
	err    error
}

type state byte

const (
	waiting state = iota
	dropped       // before it was sent
	sent
)

// newConn begins to read from a connection.
func newConn(n net.Conn, silent time.Duration, limit *atomic.Int64) *Conn {
	c := &Conn{wake: make(chan struct{}, 1)}
	c.net, c.silent = n, silent
	c.out = bufio.NewWriterSize(sink{c}, 32<<10)
	c.in = newParser(source{c}, limit)
	return c
}

// start begins to share it.
func (c *Conn) start() {
	go c.read()
	go c.write()
}

// Address returns what was dialled.
func (c *Conn) Address() string { return c.address }

// Usable reports whether it has not ended.
func (c *Conn) Usable() bool { return !c.broken.Load() }

// Close ends the connection. Calls on their way fail.
func (c *Conn) Close() { c.end(ErrClosed) }

// Do sends a request and returns the answer. Every error is a *Lost.
func (c *Conn) Do(ctx context.Context, req Request) (Result, error) {
	k, _ := c.idle.Get().(*call)
	if k == nil {
		k = &call{done: make(chan struct{}, 1)}
	}
	k.req, k.state, k.err, k.bytes = req, waiting, nil, req.Bytes()
	c.mu.Lock()
	if c.err != nil {
		err := c.err
		c.mu.Unlock()
		return Result{}, &Lost{Err: err}
	}
	switch {
	case !c.writing && c.unanswered+k.bytes <= directBytes:
		c.writing = true
		c.sending(k)
		c.mu.Unlock()
		writeRequest(c.out, &req)
		if err := c.out.Flush(); err != nil {
			c.end(err)
		}
		c.mu.Lock()
		more := len(c.pending) > 0 || c.err != nil
		c.writing = more
		c.mu.Unlock()
		if more {
			c.wake <- struct{}{}
		}
	case c.writing:
		c.pending = append(c.pending, k)
		c.mu.Unlock()
	default:
		c.pending = append(c.pending, k)
		c.writing = true
		c.mu.Unlock()
		c.wake <- struct{}{}
	}
	if ctx.Done() == nil {
		<-k.done
	} else {
		select {
		case <-k.done:
		case <-ctx.Done():
			if err := c.abandon(k, ctx.Err()); err != nil {
				return Result{}, err
			}
			<-k.done
		}
	}
	result, err := k.result, k.err
	k.req, k.result, k.err = Request{}, Result{}, nil
	c.idle.Put(k)
	return result, err
}

// sending takes a call as sent. It wants the lock, and the writing. The call keeps no
// words: a server that hangs must not keep those of callers that have given up.
func (c *Conn) sending(k *call) {
	k.state = sent
	k.req.Command = nil
	c.sent.push(k)
	c.unanswered += k.bytes
	if !c.watching {
		c.watching = true
		c.watched = c.moved.Load()
		if c.watch == nil {
			c.watch = time.AfterFunc(c.silent, c.look)
		} else {
			c.watch.Reset(c.silent)
		}
	}
}

// look ends a connection on which nothing has moved while calls wait.
func (c *Conn) look() {
	c.mu.Lock()
	moved := c.moved.Load()
	switch {
	case c.err != nil || c.sent.len() == 0:
		c.watching = false
		c.mu.Unlock()
	case moved != c.watched:
		c.watched = moved
		c.watch.Reset(c.silent)
		c.mu.Unlock()
	default:
		c.watching = false
		c.mu.Unlock()
		c.end(ErrSilent)
	}
}

// abandon gives up a call, unless it has ended.
func (c *Conn) abandon(k *call, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(k.done) > 0 {
		return nil
	}
	if k.state == sent {
		return &Lost{Sent: true, Err: err}
	}
	k.state, k.req = dropped, Request{}
	return &Lost{Err: err}
}

// write is the goroutine that writes what callers do not write themselves.
func (c *Conn) write() {
	var requests []Request
	for range c.wake {
		for {
			c.mu.Lock()
			if len(c.pending) == 0 || c.err != nil {
				c.writing = false
				ended := c.err != nil
				c.mu.Unlock()
				if ended {
					return
				}
				break
			}
			requests = requests[:0]
			size, taken := int64(0), 0
			for _, k := range c.pending {
				if size > maxTaken {
					break
				}
				if taken++; k.state == waiting {
					requests = append(requests, k.req)
					c.sending(k)
					size += k.bytes
				}
			}
			left := copy(c.pending, c.pending[taken:])
			clear(c.pending[left:])
			c.pending = c.pending[:left]
			c.mu.Unlock()
			for i := range requests {
				writeRequest(c.out, &requests[i])
			}
			clear(requests)
			if err := c.out.Flush(); err != nil {
				c.end(err)
			}
		}
	}
}

// maxTaken limits what is taken as sent, so that calls after it can still be given up.
const maxTaken = 256 << 10

// read is the goroutine that reads the answers.
func (c *Conn) read() {
	for {
		first, err := c.in.next()
		if err != nil {
			c.end(err)
			return
		}
		c.mu.Lock()
		k := c.sent.first()
		c.mu.Unlock()
		if k == nil {
			c.end(errAsked)
			return
		}
		var result Result
		replies := 1
		if k.req.Before != nil {
			result.Before = first
			replies++
		}
		if k.req.Asking {
			replies++
		}
		result.Reply = first
		for range replies - 1 {
			if result.Reply, err = c.in.next(); err != nil {
				c.end(err)
				return
			}
		}
		c.mu.Lock()
		if c.err != nil {
			c.mu.Unlock()
			return
		}
		c.sent.pop()
		c.unanswered -= k.bytes
		k.result = result
		k.done <- struct{}{}
		c.mu.Unlock()
	}
}

// end ends the connection and every call on it.
func (c *Conn) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	c.broken.Store(true)
	unknown, certain := &Lost{Sent: true, Err: err}, &Lost{Err: err}
	for k := c.sent.first(); k != nil; k = c.sent.first() {
		c.sent.pop()
		k.err = unknown
		k.done <- struct{}{}
	}
	for _, k := range c.pending {
		if k.state == waiting {
			k.err = certain
			k.done <- struct{}{}
		}
	}
	c.pending = nil
	if !c.writing { // else the writer sees the error
		c.writing = true
		c.wake <- struct{}{}
	}
	if c.watch != nil {
		c.watch.Stop()
	}
	c.mu.Unlock()
	c.net.Close()
}

// calls is a queue.
type calls struct {
	list []*call
	head int
}

func (q *calls) len() int { return len(q.list) - q.head }

func (q *calls) push(k *call) {
	if q.head > 0 && len(q.list) == cap(q.list) {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, k)
}

func (q *calls) first() *call {
	if q.head == len(q.list) {
		return nil
	}
	return q.list[q.head]
}

func (q *calls) pop() {
	q.list[q.head] = nil
	if q.head++; q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
	}
}

// sink writes to the connection in pieces, so that progress shows.
type sink struct{ c *Conn }

const pieceBytes = 256 << 10

func (s sink) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		var wrote int
		wrote, err = s.c.net.Write(p[:min(len(p), pieceBytes)])
		s.c.moved.Add(int64(wrote))
		n += wrote
		p = p[wrote:]
	}
	return n, err
}

// WriteString does not copy a long string into the buffer.
func (s sink) WriteString(text string) (int, error) {
	return s.Write(unsafe.Slice(unsafe.StringData(text), len(text)))
}

// source reads from the connection.
type source struct{ c *Conn }

func (s source) Read(p []byte) (int, error) {
	n, err := s.c.net.Read(p)
	s.c.moved.Add(int64(n))
	return n, err
}
