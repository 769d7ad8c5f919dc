package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

const (
	// largeRequest is the size from which a request goes over a second connection,
	// so that small ones need not wait for it.
	largeRequest = 1 << 20

	// maxNodes limits the connections that a server may cause by redirecting.
	maxNodes = 200

	tryAgainFor = 10 * time.Second // at most, while a slot moves
)

// route leads a store to the node that has its slot.
type route struct {
	slot uint16
	conn atomic.Pointer[wire.Conn] // that it used last, for small requests

	figures figures
}

// routes knows which node has which slot, from what nodes say.
type routes struct {
	mu    sync.Mutex
	seeds []string // addresses to begin with, in the order in which they are tried
	slots map[uint16]string
}

func (r *routes) moved(slot uint16, to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slots == nil {
		r.slots = map[uint16]string{}
	}
	r.slots[slot] = to
}

// candidates returns the addresses to try for a slot.
func (r *routes) candidates(slot uint16) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]string, 0, 1+len(r.seeds))
	if known := r.slots[slot]; known != "" {
		list = append(list, known)
	}
	for _, seed := range r.seeds {
		if !slices.Contains(list, seed) {
			list = append(list, seed)
		}
	}
	return list
}

// failed forgets that an address has a slot, and tries that address last.
func (r *routes) failed(slot uint16, address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slots[slot] == address {
		delete(r.slots, slot)
	}
	if i := slices.Index(r.seeds, address); i >= 0 {
		r.seeds = append(slices.Delete(r.seeds, i, i+1), address)
	}
}

// learn adds the nodes of a cluster.
func (r *routes) learn(addresses []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range addresses {
		if len(r.seeds) < maxNodes && !slices.Contains(r.seeds, a) {
			r.seeds = append(r.seeds, a)
		}
	}
}

// unreachable is the error of a server that could not be reached: nothing was sent.
type unreachable struct{ err error }

func (e *unreachable) Error() string { return e.err.Error() }
func (e *unreachable) Unwrap() error { return e.err }

// connect returns a connection to the node that has a slot, or to one that knows it.
func (s *server) connect(ctx context.Context, slot uint16, large bool) (*wire.Conn, error) {
	if s.sentinels != nil {
		primary, err := s.sentinels.primary(ctx)
		if err != nil {
			return nil, &unreachable{err}
		}
		return s.node(ctx, primary, large)
	}
	var failed error
	for _, address := range s.routes.candidates(slot) {
		c, err := s.node(ctx, address, large)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil || errors.Is(err, wire.ErrClosed) {
			return nil, err
		}
		if failed == nil {
			failed = err
		}
		s.routes.failed(slot, address)
	}
	return nil, failed
}

// nodes are the connections of a server.
type nodes struct {
	mu     sync.Mutex
	closed bool
	all    map[nodeKey]*node
}

type nodeKey struct {
	address string
	large   bool
}

// node is a connection, or a dial that is under way.
type node struct {
	ready chan struct{} // closed when conn or err is set
	conn  *wire.Conn
	err   error
}

func (n *node) usable() bool {
	select {
	case <-n.ready:
		return n.err == nil && n.conn.Usable()
	default:
		return true
	}
}

// close waits for the dial, and closes the connection.
func (n *node) close() {
	if <-n.ready; n.conn != nil {
		n.conn.Close()
	}
}

func (n *nodes) close() {
	n.mu.Lock()
	n.closed = true
	all := n.all
	n.all = nil
	n.mu.Unlock()
	for _, one := range all {
		go one.close()
	}
}

// drop closes the connections to an address.
func (n *nodes) drop(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for key, one := range n.all {
		if key.address == address {
			delete(n.all, key)
			go one.close()
		}
	}
}

// node returns the connection to an address, dialled if there is none. Callers wait
// for one dial together, each no longer than its context.
func (s *server) node(ctx context.Context, address string, large bool) (*wire.Conn, error) {
	key := nodeKey{address, large}
	s.nodes.mu.Lock()
	if s.nodes.closed {
		s.nodes.mu.Unlock()
		return nil, &unreachable{wire.ErrClosed}
	}
	n := s.nodes.all[key]
	if n == nil || !n.usable() {
		if s.nodes.all == nil {
			s.nodes.all = map[nodeKey]*node{}
		}
		if n == nil && len(s.nodes.all) >= maxNodes {
			s.nodes.mu.Unlock()
			return nil, &unreachable{errors.New("it redirected to more nodes than a cluster can have")}
		}
		n = &node{ready: make(chan struct{})}
		s.nodes.all[key] = n
		go s.dial(n, address)
	}
	s.nodes.mu.Unlock()
	select {
	case <-n.ready:
		if n.err != nil {
			return nil, n.err
		}
		return n.conn, nil
	case <-ctx.Done():
		return nil, &unreachable{fmt.Errorf("it did not answer: %w", ctx.Err())}
	}
}

func (s *server) dial(n *node, address string) {
	defer close(n.ready)
	id := &s.identity
	c, err := wire.Dial(context.Background(), s.dialling(address))
	if err != nil {
		n.err = &unreachable{err}
		return
	}
	if err := tooOld(c.Version); err != nil {
		c.Close()
		n.err = err
		return
	}
	if c.Mode == "cluster" {
		ctx, cancel := context.WithTimeout(context.Background(), id.dialTimeout())
		if result, err := c.Do(ctx, wire.Request{Command: []string{"CLUSTER", "SLOTS"}}); err == nil {
			s.routes.learn(clusterNodes(&result.Reply, address))
		}
		cancel()
	}
	n.conn = c
}

// dialling returns how to connect to a node.
func (s *server) dialling(address string) wire.Config {
	id := &s.identity
	return wire.Config{
		Address: address, TLS: s.tls, Username: id.username, Password: id.password, DB: id.db,
		Name: id.clientName, Library: libraryName, Release: libraryVersion,
		Timeout: id.dialTimeout(), Silent: id.silence(), Limit: &s.limit,
	}
}

// clusterNodes returns the addresses in a reply to CLUSTER SLOTS.
func clusterNodes(slots *wire.Reply, from string) (addresses []string) {
	for _, part := range slots.List {
		for _, node := range part.List[min(2, len(part.List)):] {
			if len(node.List) < 2 {
				continue
			}
			if port, ok := node.List[1].Number(); ok {
				addresses = append(addresses, beside(from, node.List[0].Text, strconv.FormatInt(port, 10)))
			}
		}
	}
	return addresses
}

// beside is an address that a node at another one has named, maybe without its host.
func beside(from, host, port string) string {
	if host == "" || host == "?" {
		host, _, _ = net.SplitHostPort(from)
	}
	return net.JoinHostPort(host, port)
}

// redirection returns where the error of a node of a cluster points.
func redirection(text, from string) (to string, ask bool) {
	words := strings.Fields(text)
	if len(words) != 3 || words[0] != "MOVED" && words[0] != "ASK" {
		return "", false
	}
	host, port, err := net.SplitHostPort(words[2])
	if i := strings.LastIndexByte(words[2], ':'); err != nil && i >= 0 { // an IPv6 address without brackets
		host, port = words[2][:i], words[2][i+1:]
	}
	return beside(from, host, port), words[0] == "ASK"
}

// retry waits between tries of what was not done.
type retry struct {
	began time.Time
	next  time.Duration
}

// wait reports whether another try is due.
func (r *retry) wait(ctx context.Context) bool {
	if r.next == 0 {
		r.began, r.next = time.Now(), time.Millisecond
	}
	if time.Since(r.began) > tryAgainFor {
		return false
	}
	timer := time.NewTimer(r.next)
	defer timer.Stop()
	r.next = min(2*r.next, 100*time.Millisecond)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// slotOf is the slot of the keys of a store, which have its name in braces.
func slotOf(name string) uint16 {
	crc := uint16(0)
	for i := range len(name) {
		crc ^= uint16(name[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % 16384
}
