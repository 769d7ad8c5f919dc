package wire

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Config says how to reach a server.
type Config struct {
	Address            string // host:port, or the path of a socket
	TLS                *tls.Config
	Username, Password string
	DB                 int
	Name               string        // of the client, in CLIENT LIST
	Library, Release   string        // the same
	Timeout            time.Duration // of connecting, handshake included
	Silent             time.Duration // without a byte while a call waits, until the connection ends
	Limit              *atomic.Int64 // bytes of one reply
}

// Refused is a server's error in the handshake.
type Refused struct{ Text string }

func (e *Refused) Error() string { return e.Text }

// Dial connects and shakes hands. It takes no longer than the timeout and ctx.
func Dial(ctx context.Context, o Config) (*Conn, error) {
	c, err := dial(ctx, o, (*Conn).handshake)
	if err != nil {
		return nil, err
	}
	c.start()
	return c, nil
}

// dial connects, and begins with shake, which takes no longer than the timeout and ctx.
func dial(ctx context.Context, o Config, shake func(*Conn, Config) error) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	network := "tcp"
	if strings.HasPrefix(o.Address, "/") {
		network = "unix"
	}
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	var n net.Conn
	var err error
	if o.TLS != nil {
		n, err = (&tls.Dialer{NetDialer: &d, Config: o.TLS}).DialContext(ctx, network, o.Address)
	} else {
		n, err = d.DialContext(ctx, network, o.Address)
	}
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { n.SetDeadline(time.Unix(1, 0)) })
	c := newConn(n, o.Silent, o.Limit)
	c.address = o.Address
	if err := shake(c, o); err != nil {
		stop()
		n.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("it accepts connections and does not answer: %w", ErrSilent)
		}
		return nil, err
	}
	if !stop() { // the deadline is set, or will be
		n.Close()
		return nil, ErrSilent
	}
	return c, nil
}

func (c *Conn) handshake(o Config) error {
	hello := []string{"HELLO", "2"}
	if o.Password != "" || o.Username != "" {
		hello = append(hello, "AUTH", cmp.Or(o.Username, "default"), o.Password)
	}
	if o.Name != "" {
		hello = append(hello, "SETNAME", o.Name)
	}
	commands := [][]string{hello}
	if o.DB != 0 {
		commands = append(commands, []string{"SELECT", strconv.Itoa(o.DB)})
	}
	needed := len(commands)
	if o.Library != "" { // servers before 7.2 do not know it
		commands = append(commands, []string{"CLIENT", "SETINFO", "LIB-NAME", o.Library}, []string{"CLIENT", "SETINFO", "LIB-VER", o.Release})
	}
	out := bufio.NewWriter(c.net)
	for _, words := range commands {
		writeCommand(out, words)
	}
	writeErr := out.Flush() // a server that refuses says why and closes
	for i := range commands {
		r, err := c.in.next()
		if err != nil {
			if writeErr != nil {
				return writeErr
			}
			return err
		}
		if r.Kind == Error && i < needed {
			return &Refused{r.Text}
		}
		if i == 0 {
			if r.Kind != List {
				return ErrForeign
			}
			c.Mode, c.Version = r.Lookup("mode"), r.Lookup("version")
		}
	}
	return nil
}
