package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs"
)

const dialTimeout = 5 * time.Second

// server is a client of one database of one server, which its stores share.
type server struct {
	name   string // without credentials
	client rueidis.Client
	users  int           // guarded by servers
	byHost bool          // a host's URL led to it; guarded by servers
	reply  *atomic.Int64 // most bytes of one reply; written under servers
}

var servers struct {
	sync.Mutex
	open map[identity]*server
}

// acquire returns the client of a server, made if there is none.
func acquire(ctx context.Context, t target) (*server, error) {
	servers.Lock()
	s := servers.open[t.identity]
	if s != nil {
		s.use(t)
		servers.Unlock()
		return s, nil
	}
	servers.Unlock()

	// Nobody waits for others while a server is dialled.
	type dialled struct {
		client rueidis.Client
		err    error
	}
	done := make(chan dialled, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil { // over what a server says of itself
				done <- dialled{nil, errForeign}
			}
		}()
		client, err := rueidis.NewClient(t.options)
		done <- dialled{client, err}
	}()
	var d dialled
	select {
	case d = <-done:
	case <-ctx.Done():
		go func() {
			if late := <-done; late.err == nil {
				late.client.Close()
			}
		}()
		return nil, fmt.Errorf("%w: the server did not answer: %w", extlibs.ErrUnavailable, ctx.Err())
	}
	if d.err != nil {
		return nil, t.unavailable(d.err)
	}
	servers.Lock()
	defer servers.Unlock()
	if s := servers.open[t.identity]; s != nil { // another store was faster
		d.client.Close()
		s.use(t)
		return s, nil
	}
	s = &server{name: t.name, client: d.client, reply: t.reply}
	s.use(t)
	if servers.open == nil {
		servers.open = map[identity]*server{}
	}
	servers.open[t.identity] = s
	return s, nil
}

// use counts one more store. It wants the lock of servers.
func (s *server) use(t target) {
	s.users++
	s.byHost = s.byHost || !t.script
	s.reply.Store(max(s.reply.Load(), t.reply.Load()))
}

// release closes the client with its last store.
func (s *server) release() {
	servers.Lock()
	s.users--
	last := s.users == 0
	for identity, open := range servers.open {
		if last && open == s {
			delete(servers.open, identity)
		}
	}
	servers.Unlock()
	if last { // nobody waits for it who uses another server
		s.client.Close()
	}
}

// do sends a request and waits no longer than ctx, also while the client connects
// again.
func (s *server) do(ctx context.Context, request func(context.Context, rueidis.Client) rueidis.RedisResult) (rueidis.RedisResult, error) {
	if ctx.Done() == nil {
		return request(ctx, s.client), nil
	}
	type reply struct {
		result rueidis.RedisResult
		err    error
	}
	done := make(chan reply, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil { // which would end the process here
				done <- reply{err: fmt.Errorf("the client of the server failed (%T); report the bug", p)}
			}
		}()
		done <- reply{result: request(ctx, s.client)}
	}()
	select {
	case r := <-done:
		return r.result, r.err
	case <-ctx.Done():
		return rueidis.RedisResult{}, ctx.Err()
	}
}

// dialError is a failure before any request was sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// dialer makes connections that are guarded. Sentinels send messages.
func dialer(reply *atomic.Int64, messages bool) func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
	return func(ctx context.Context, address string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
		network := "tcp"
		if strings.HasPrefix(address, "/") {
			network = "unix"
		}
		var conn net.Conn
		var err error
		if config != nil {
			conn, err = (&tls.Dialer{NetDialer: d, Config: config}).DialContext(ctx, network, address)
		} else {
			conn, err = d.DialContext(ctx, network, address)
		}
		if err != nil {
			return nil, &dialError{err}
		}
		return newGuard(conn, reply, messages), nil
	}
}

var (
	errNoNumber  = fmt.Errorf("%w: the value is not a number, and is unchanged; set a number first, or use another key", extlibs.ErrType)
	errFloat     = fmt.Errorf("%w: the number is a float; it is unchanged", extlibs.ErrType)
	errOverflow  = fmt.Errorf("%w: the sum is beyond a 64-bit int; the value is unchanged", extlibs.ErrOverflow)
	errFullKeys  = fmt.Errorf("%w: it holds its limit of keys; delete some, or let the host raise MaxKeys", extlibs.ErrFull)
	errTooLarge  = fmt.Errorf("%w: it would hold more bytes of values at once than MaxOperationBytes; take fewer keys at a time, or let the host raise that", extlibs.ErrTooLarge)
	errLost      = fmt.Errorf("%w: the server has lost a part of the store, its values or their order; has it evicted it? restore it, or clear the store", extlibs.ErrCorrupt)
	errServerOOM = fmt.Errorf("%w: the server's memory is used up; delete some keys, or raise its maxmemory", extlibs.ErrFull)
)

// failure gives the error of a request its kind. The text is ours or the
// server's, never that of a URL.
func (s *server) failure(a access, err error) error {
	if r, ok := rueidis.IsRedisErr(err); ok {
		return s.refusal(r.Error())
	}
	var dialled *dialError
	switch {
	case errors.As(err, &dialled):
		return fmt.Errorf("%w: server %s: %w", extlibs.ErrUnavailable, s.name, dialled.err)
	case errors.Is(err, rueidis.ErrClosing):
		return extlibs.ErrClosed
	case a == writes && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return fmt.Errorf("%w: the wait ended while the server had the request: %w", extlibs.ErrCommitUnknown, err)
	case a == writes:
		return fmt.Errorf("%w: the connection to %s broke while the server had the request: %w", extlibs.ErrCommitUnknown, s.name, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the server %s did not answer in time: %w", s.name, err)
	}
	return fmt.Errorf("%w: the connection to %s broke: %w", extlibs.ErrUnavailable, s.name, err)
}

// refusal is the server's own word: nothing was done.
func (s *server) refusal(text string) error {
	code, _, _ := strings.Cut(text, " ")
	switch code {
	case "KVTYPE":
		return errNoNumber
	case "KVFLOAT":
		return errFloat
	case "KVOVERFLOW":
		return errOverflow
	case "KVFULL":
		return errFullKeys
	case "KVDATA":
		return damaged()
	case "KVLOST":
		return errLost
	case "KVLARGE":
		return errTooLarge
	case "OOM":
		return errServerOOM
	case "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS":
		return fmt.Errorf("%w: server %s: %s", extlibs.ErrUnavailable, s.name, text)
	case "WRONGTYPE":
		return fmt.Errorf("%w: the store's keys on server %s hold something else; choose another name of the store", extlibs.ErrFormat, s.name)
	case "NOAUTH", "WRONGPASS":
		return fmt.Errorf("%w: server %s wants other credentials", extlibs.ErrUnavailable, s.name)
	case "NOPERM":
		return fmt.Errorf("%w: the user of server %s may not do this; it needs the keys ~{NAME}:* and scripts", extlibs.ErrNotAllowed, s.name)
	case "READONLY", "MISCONF":
		return fmt.Errorf("%w: server %s takes no writes: %s", extlibs.ErrReadOnly, s.name, text)
	}
	if strings.Contains(text, "OOM command not allowed") {
		return errServerOOM
	}
	return fmt.Errorf("server %s: %s", s.name, text)
}
