package wire

import (
	"bufio"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Subscription is a connection that listens to sharded channels. It sends nothing but a
// ping now and then.
type Subscription struct {
	c      *Conn
	heard  atomic.Int64 // replies
	sendMu sync.Mutex
}

// errMoved ends a Subscription whose channels have moved to another node.
var errMoved = errors.New("the channels have moved to another node")

// Subscribe connects to a server and subscribes to channels. If the server refuses that,
// the error is a *Refused.
func Subscribe(ctx context.Context, o Config, channels ...string) (*Subscription, error) {
	c, err := dial(ctx, o, func(c *Conn, o Config) error {
		if err := c.handshake(o); err != nil {
			return err
		}
		out := bufio.NewWriter(c.net)
		writeCommand(out, append([]string{"SSUBSCRIBE"}, channels...))
		if err := out.Flush(); err != nil {
			return err
		}
		for range channels {
			r, err := c.in.next()
			switch {
			case err != nil:
				return err
			case r.Kind == Error:
				return &Refused{r.Text}
			case r.Kind != List || len(r.List) != 3 || r.List[0].Text != "ssubscribe":
				return ErrForeign
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Subscription{c: c}, nil
}

// Address returns what was dialled.
func (s *Subscription) Address() string { return s.c.address }

// Close ends the connection, and Listen.
func (s *Subscription) Close() { s.c.net.Close() }

// Listen calls each for every message until the connection ends, and returns why.
func (s *Subscription) Listen(each func(channel, message string)) error {
	defer s.Close()
	for {
		r, err := s.c.in.next()
		if err != nil {
			return err
		}
		s.heard.Add(1)
		switch {
		case r.Kind == Error:
			return &Refused{r.Text}
		case r.Kind != List || len(r.List) < 2:
			return ErrForeign
		}
		switch r.List[0].Text {
		case "smessage":
			if len(r.List) != 3 {
				return ErrForeign
			}
			each(r.List[1].Text, r.List[2].Text)
		case "sunsubscribe":
			return errMoved
		}
	}
}

// Check ends the connection if nothing came since the last Check, which sent a ping, and
// sends the next one.
func (s *Subscription) Check(timeout time.Duration) {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	if s.heard.Swap(-1) < 0 {
		s.Close()
		return
	}
	s.c.net.SetWriteDeadline(time.Now().Add(timeout))
	out := bufio.NewWriter(s.c.net)
	writeCommand(out, []string{"PING"})
	if out.Flush() != nil {
		s.Close()
	}
}
