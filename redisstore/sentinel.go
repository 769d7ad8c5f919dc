package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

const (
	// sentinelEvery is how often all sentinels are asked: one that hangs would not say
	// that another primary was chosen.
	sentinelEvery   = time.Second
	sentinelTimeout = time.Second

	maxSentinels = 20
)

// sentinels finds the primary, and follows it.
type sentinels struct {
	server *server
	master string
	end    context.CancelFunc
	asked  chan struct{} // has room for one request to ask now

	mu      sync.Mutex
	known   []string
	current string        // address of the primary, "" before one was found
	epoch   int64         // of the configuration that named it
	failure error         // of the last round
	round   chan struct{} // closed when the round under way has ended
	limit   atomic.Int64  // bytes of a sentinel's reply
}

func newSentinels(s *server) *sentinels {
	ctx, end := context.WithCancel(context.Background())
	n := &sentinels{
		server: s, master: s.identity.sentinel, end: end, asked: make(chan struct{}, 1),
		known: s.identity.addresses(), round: make(chan struct{}),
	}
	n.limit.Store(1 << 20)
	go n.follow(ctx)
	return n
}

func (n *sentinels) close() { n.end() }

// doubt asks the sentinels soon, since the primary refused to be one.
func (n *sentinels) doubt() {
	select {
	case n.asked <- struct{}{}:
	default:
	}
}

// primary returns the address of the primary.
func (n *sentinels) primary(ctx context.Context) (string, error) {
	for range 2 {
		n.mu.Lock()
		current, failure, round := n.current, n.failure, n.round
		n.mu.Unlock()
		if current != "" || failure != nil {
			return current, failure
		}
		select {
		case <-round:
		case <-ctx.Done():
			return "", fmt.Errorf("its sentinels did not answer: %w", ctx.Err())
		}
	}
	return "", errors.New("its sentinels name no primary")
}

// follow asks until ctx ends.
func (n *sentinels) follow(ctx context.Context) {
	conns := map[string]*wire.Conn{}
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for {
		n.ask(ctx, conns)
		timer := time.NewTimer(sentinelEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-n.asked:
			timer.Stop()
		}
	}
}

// verdict is what a sentinel says of the primary.
type verdict struct {
	from    string
	conn    *wire.Conn
	primary string
	epoch   int64
	others  []string
	err     error
}

// ask asks all sentinels at once and believes the newest configuration.
func (n *sentinels) ask(ctx context.Context, conns map[string]*wire.Conn) {
	ctx, cancel := context.WithTimeout(ctx, sentinelTimeout)
	defer cancel()
	n.mu.Lock()
	known := slices.Clone(n.known)
	n.mu.Unlock()
	verdicts := make(chan verdict, len(known))
	for _, address := range known {
		go func(c *wire.Conn) { verdicts <- n.askOne(ctx, address, c) }(conns[address])
	}
	found, failure := verdict{epoch: -1}, error(nil)
	for range known {
		v := <-verdicts
		if conns[v.from] = v.conn; v.conn == nil {
			delete(conns, v.from)
		}
		switch {
		case v.err != nil:
			failure = v.err
		case v.epoch > found.epoch:
			found = v
		}
		n.learn(v.others)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case found.primary != "" && found.epoch >= n.epoch:
		was := n.current
		n.current, n.epoch, n.failure = found.primary, found.epoch, nil
		if was != "" && was != n.current {
			n.server.nodes.drop(was)
		}
	case n.current == "" && failure != nil:
		n.failure = fmt.Errorf("no sentinel knows the primary %q: %w", n.master, failure)
	}
	close(n.round)
	n.round = make(chan struct{})
}

// learn adds sentinels that one has named.
func (n *sentinels) learn(addresses []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range addresses {
		if len(n.known) < maxSentinels && !slices.Contains(n.known, a) {
			n.known = append(n.known, a)
		}
	}
}

func (n *sentinels) askOne(ctx context.Context, address string, c *wire.Conn) verdict {
	v := verdict{from: address, conn: c}
	if c == nil || !c.Usable() {
		id := &n.server.identity
		v.conn, v.err = wire.Dial(ctx, wire.Config{
			Address: address, TLS: n.server.tls, Username: id.sentinelUser, Password: id.sentinelPassword, Name: id.clientName,
			Timeout: sentinelTimeout, Silent: sentinelTimeout, Limit: &n.limit,
		})
		if v.err != nil {
			v.conn = nil
			return v
		}
	}
	about, err := v.conn.Do(ctx, wire.Request{Command: []string{"SENTINEL", "MASTER", n.master}})
	if err == nil && about.Kind == wire.Error {
		err = errors.New(about.Text)
	}
	if err != nil {
		v.err = err
		return v
	}
	host, port := about.Lookup("ip"), about.Lookup("port")
	if host == "" || port == "" {
		v.err = wire.ErrForeign
		return v
	}
	v.primary = net.JoinHostPort(host, port)
	epoch := wire.Reply{Kind: wire.Text, Text: about.Lookup("config-epoch")}
	v.epoch, _ = epoch.Number()
	others, err := v.conn.Do(ctx, wire.Request{Command: []string{"SENTINEL", "SENTINELS", n.master}})
	if err == nil {
		for _, other := range others.List {
			if ip, port := other.Lookup("ip"), other.Lookup("port"); ip != "" && port != "" {
				v.others = append(v.others, net.JoinHostPort(ip, port))
			}
		}
	}
	return v
}
