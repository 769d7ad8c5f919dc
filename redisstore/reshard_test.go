package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// slotOf returns the slot of a store, the node that has it, and another node.
func slotOf(t *testing.T, nodes []*testServer, name string) (slot string, from, to *testServer) {
	t.Helper()
	m := nodes[0].command(t, "CLUSTER", "KEYSLOT", "{"+name+"}:v")
	n, err := m.ToInt64()
	if err != nil {
		t.Fatal(err)
	}
	slot = fmt.Sprint(n)
	for _, node := range nodes {
		m := node.command(t, "CLUSTER", "COUNTKEYSINSLOT", slot)
		if n, err := m.ToInt64(); err == nil && n > 0 {
			from = node
		} else {
			to = node
		}
	}
	return slot, from, to
}

// id returns what a node is called in its cluster.
func (s *testServer) id(t *testing.T) string {
	t.Helper()
	m := s.command(t, "CLUSTER", "MYID")
	text, err := m.ToString()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// migrate moves keys of a store to another node.
func (s *testServer) migrate(t *testing.T, to *testServer, name string, parts ...string) {
	t.Helper()
	host, port, _ := strings.Cut(to.addr, ":")
	for _, part := range parts {
		s.command(t, "MIGRATE", host, port, "{"+name+"}:"+part, "0", "5000")
	}
}

// refusals is the number of requests that the nodes have not carried out.
func refusals(t *testing.T, nodes []*testServer) (n int64) {
	t.Helper()
	for _, node := range nodes {
		n += node.info(t, "total_error_replies")
	}
	return n
}

// A reshard that ends early leaves a slot that is migrating for one node and importing for the
// other, or nodes that name each other as its owner.
func TestAnInterruptedReshardCostsFewRequests(t *testing.T) {
	if serverBinary() == "" {
		t.Skip("a cluster needs redis-server or valkey-server on PATH; install one")
	}
	nodes := clusterNodes(t)
	name := newName()
	h := openHandle(t, "redis://"+nodes[0].addr+"/"+name, extlibs.SweepInterval(10*time.Millisecond))
	if err := h.Set(t.Context(), "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Set(t.Context(), "mortal", 1, 300*time.Millisecond); err != nil { // which the sweeper waits for
		t.Fatal(err)
	}
	slot, from, to := slotOf(t, nodes, name)
	to.command(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", from.id(t))
	from.command(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", to.id(t))
	from.migrate(t, to, name, "v")

	// Scripts need keys of both nodes, and a get only the one that has moved.
	before := refusals(t, nodes)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		began := time.Now()
		if err := h.Set(ctx, "k", 2, 0); !errors.Is(err, extlibs.ErrUnavailable) || time.Since(began) > 10*time.Second {
			t.Errorf("set after %v: %v", time.Since(began), err)
		}
		cancel()
	}
	for range 20 {
		if v, err := h.Get(t.Context(), "k"); v != int64(1) || err != nil {
			t.Errorf("get: %v, %v", v, err)
		}
	}
	// A second has 16 tries of a set; each get is redirected once; the sweeper has tries too.
	if n := refusals(t, nodes) - before; n < 20 || n > 400 {
		t.Errorf("half moved: the nodes refused %d requests", n)
	} else {
		t.Logf("half moved: the nodes refused %d requests of 3 sets, for a second each, and 20 gets", n)
	}

	from.migrate(t, to, name, "i", "d", "m")
	from.command(t, "CLUSTER", "SETSLOT", slot, "NODE", to.id(t)) // and the other one is never told
	before = refusals(t, nodes)
	const calls = 50
	for range calls {
		_, err := h.Incr(t.Context(), "n", 1, 0)
		if _, refused := to.ask("", "HGET", "{"+name+"}:v", "k"); refused == nil {
			t.Log("the nodes agree by themselves, as those of Valkey 9 can")
			return
		}
		if !errors.Is(err, extlibs.ErrUnavailable) {
			t.Errorf("incr: %v", err)
		}
		if _, err := h.Get(t.Context(), "k"); !errors.Is(err, extlibs.ErrUnavailable) {
			t.Errorf("get: %v", err)
		}
	}
	r := extlibs.NewRegistry()
	defer r.Close()
	if _, err := r.Open(t.Context(), "redis://"+nodes[1].addr+"/"+name); !errors.Is(err, extlibs.ErrUnavailable) {
		t.Errorf("open: %v", err)
	}
	n := refusals(t, nodes) - before
	t.Logf("nodes that disagree refused %d requests of %d calls", n, 2*calls+1)
	if n < 2*calls || n > 10*(2*calls+1)+100 { // which has those of the test
		t.Errorf("%d calls were %d requests", 2*calls+1, n)
	}
	before = refusals(t, nodes)
	time.Sleep(time.Second)
	if n := refusals(t, nodes) - before; n > 100 {
		t.Errorf("an idle store sent %d requests in a second", n)
	}

	for _, node := range []*testServer{to, from, nodes[0], nodes[1], nodes[2]} {
		node.command(t, "CLUSTER", "SETSLOT", slot, "NODE", to.id(t))
	}
	if n, err := h.Incr(t.Context(), "k", 1, 0); n != 2 || err != nil {
		t.Errorf("when the nodes agree: %v, %v", n, err)
	}
}
