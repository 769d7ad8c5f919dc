package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore"
)

// startSentinel starts a sentinel that decides alone, and returns its address.
func startSentinel(t *testing.T, primary *testServer, password string) string {
	t.Helper()
	return sentinelOf(t, primary, password, 1, "").addr
}

// sentinelOf starts a sentinel that watches a primary with a password, and has one itself.
func sentinelOf(t *testing.T, primary *testServer, password string, quorum int, own string) *testServer {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t)
	host, primaryPort, _ := strings.Cut(primary.addr, ":")
	file := filepath.Join(dir, "sentinel.conf") // which it writes to
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor kvtest %s %s %d\nsentinel down-after-milliseconds kvtest 300\nsentinel failover-timeout kvtest 2000\n", port, dir, host, primaryPort, quorum)
	if password != "" {
		text += "sentinel auth-pass kvtest " + password + "\n"
	}
	if own != "" {
		text += "requirepass " + own + "\nsentinel sentinel-pass " + own + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &testServer{addr: "127.0.0.1:" + port}
	s.cmd = exec.Command(serverBinary(), file, "--sentinel")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	// It knows the replica once it has asked the primary, and a failover needs it.
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatal("the sentinel finds no replica")
		}
		if replicas, err := s.ask(own, "SENTINEL", "REPLICAS", "kvtest"); err == nil {
			if list, err := replicas.ToArray(); err == nil && len(list) == 1 {
				m, err := list[0].AsStrMap()
				if err == nil && m["master-link-status"] == "ok" {
					return s
				}
			}
		}
	}
}

// A sentinel that hangs says nothing of a failover that others have decided.
func TestAStoreFollowsAFailoverThoughItsSentinelHangs(t *testing.T) {
	t.Parallel()
	if serverBinary() == "" {
		t.Skip("a failover needs redis-server or valkey-server on PATH; install one")
	}
	primary := startServer(t)
	host, port, _ := strings.Cut(primary.addr, ":")
	startServer(t, "--replicaof", host+" "+port)
	var sentinels []*testServer
	for range 3 {
		sentinels = append(sentinels, sentinelOf(t, primary, "", 2, "geheim"))
	}
	hung := sentinels[0]
	h := openHandle(t, "redis://"+hung.addr+"/0/"+newName()+"?sentinel=kvtest&sentinelpassword=geheim")
	if err := h.Set(t.Context(), "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) { // until they know each other, and the client knows them
		if others, err := sentinels[1].ask("geheim", "SENTINEL", "SENTINELS", "kvtest"); err == nil {
			if list, err := others.ToArray(); err == nil && len(list) == 2 {
				break
			}
		}
		if time.Since(began) > 30*time.Second {
			t.Fatal("the sentinels do not find each other")
		}
	}
	time.Sleep(2500 * time.Millisecond)
	hung.stop(t)
	defer hung.goOn()
	primary.kill()
	began := time.Now()
	for ; ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := h.Set(ctx, "after", 1, 0)
		cancel()
		if err == nil {
			break
		}
		if time.Since(began) > 45*time.Second {
			t.Fatalf("no failover: %v", err)
		}
	}
	t.Logf("writes continued after %v", time.Since(began))
}

func TestACallWaitsWhileItsSlotMoves(t *testing.T) {
	t.Parallel()
	if serverBinary() == "" {
		t.Skip("a cluster needs redis-server or valkey-server on PATH; install one")
	}
	nodes := clusterNodes(t)
	name := newName()
	h := openHandle(t, "redis://"+nodes[0].addr+"/"+name)
	values := map[string]any{}
	for i := range 500 {
		values[fmt.Sprint("k", i)] = i
	}
	if err := h.SetMany(t.Context(), values, 0); err != nil {
		t.Fatal(err)
	}
	slot, from, to := slotOf(t, nodes, name)
	to.command(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", from.id(t))
	from.command(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", to.id(t))
	calls := func(when string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for call, err := range map[string]error{
			"set":   h.Set(ctx, "k1", 1, 0),
			"get":   second(h.Get(ctx, "k1")),
			"incr":  second(h.Incr(ctx, "k2", 0, 0)),
			"keys":  second(h.Keys(ctx, extlibs.ListOptions{Limit: 10})),
			"add":   second(h.Add(ctx, "k3", 1, 0)),
			"count": second(h.Count(ctx, "*")),
		} {
			if err != nil {
				t.Errorf("%s: %s: %v", when, call, err)
			}
		}
		r := extlibs.NewRegistry()
		defer r.Close()
		if _, err := r.Open(ctx, "redis://"+nodes[1].addr+"/"+name); err != nil {
			t.Errorf("%s: open: %v", when, err)
		}
	}
	calls("while no key has moved")
	done := make(chan struct{})
	go func() {
		defer close(done)
		toHost, toPort, _ := strings.Cut(to.addr, ":")
		for _, part := range []string{"v", "i", "d", "m"} {
			time.Sleep(200 * time.Millisecond)
			if _, err := from.ask("", "MIGRATE", toHost, toPort, "{"+name+"}:"+part, "0", "5000"); err != nil {
				t.Errorf("%s does not move: %v", part, err)
			}
		}
	}()
	time.Sleep(300 * time.Millisecond) // now a part has moved
	calls("while keys move")
	<-done
	calls("when all keys have moved")
	for _, node := range []*testServer{to, from, nodes[0], nodes[1], nodes[2]} {
		node.command(t, "CLUSTER", "SETSLOT", slot, "NODE", to.id(t))
	}
	calls("afterwards")
	if n, err := h.Count(t.Context(), "*"); n != len(values) || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
}

func TestOperatorsSettingsReachTheServer(t *testing.T) {
	if serverBinary() == "" {
		t.Skip("TLS needs redis-server or valkey-server on PATH; install one")
	}
	ca, cert, key := certificates(t, t.TempDir())
	port := freePort(t)
	s := startServer(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca) // which demands a client's
	url := "rediss://127.0.0.1:" + port + "/0/x?ca=" + ca
	r := extlibs.NewRegistry()
	defer r.Close()
	if _, err := r.Open(t.Context(), url); !errors.Is(err, extlibs.ErrUnavailable) {
		t.Errorf("without a certificate: %v", err)
	}
	openHandle(t, url+"&cert="+cert+"&key="+key+"&client=host-7")
	m := s.command(t, "CLIENT", "LIST")
	if list, err := m.ToString(); err != nil || !strings.Contains(list, "name=host-7") {
		t.Errorf("CLIENT LIST has %s (%v)", list, err)
	}
	// The first address does not answer.
	h := openHandle(t, "redis://127.0.0.1:"+freePort(t)+"/0/x?seeds="+s.addr)
	if err := h.Set(t.Context(), "k", 1, 0); err != nil {
		t.Error(err)
	}
}

func TestAStoreFollowsItsSentinelsToANewPrimary(t *testing.T) {
	t.Parallel()
	if serverBinary() == "" {
		t.Skip("a failover needs redis-server or valkey-server on PATH; install one")
	}
	const password = "geheim"
	auth := []string{"--requirepass", password, "--masterauth", password}
	primary := startServer(t, auth...)
	host, port, _ := strings.Cut(primary.addr, ":")
	replica := startServer(t, append(auth, "--replicaof", host+" "+port)...)
	sentinel := startSentinel(t, primary, password)

	name := newName()
	h := openHandle(t, "redis://:"+password+"@"+sentinel+"/0/"+name+"?sentinel=kvtest")
	redisstore.Configure(sentinel, redisstore.Options{Password: password, Sentinel: "kvtest"})
	configured := openHandle(t, "redis://"+sentinel+"/0/"+name)
	const keys = 50
	for i := range keys {
		if err := h.Set(t.Context(), fmt.Sprint("k", i), i, 0); err != nil {
			t.Fatal(err)
		}
	}
	direct := extlibs.NewRegistry()
	defer direct.Close()
	if _, err := direct.Open(t.Context(), "redis://:"+password+"@"+replica.addr+"/0/"+name); !errors.Is(err, extlibs.ErrReadOnly) {
		t.Errorf("a replica opens: %v", err)
	}
	// What a replica has not got is lost in a failover.
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		m, err := replica.ask(password, "HLEN", "{"+name+"}:v")
		if err == nil {
			if n, err := m.ToInt64(); err == nil && n == keys+1 { // with the entry that keeps the hash in existence
				break
			}
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("the replica does not get the writes")
		}
	}
	primary.kill()
	missed := 0
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := h.Set(t.Context(), "after", 1, 0)
		if err == nil {
			break
		}
		missed++
		if !errors.Is(err, extlibs.ErrUnavailable) && !errors.Is(err, extlibs.ErrCommitUnknown) && !errors.Is(err, extlibs.ErrReadOnly) || strings.Contains(err.Error(), password) {
			t.Fatalf("during the failover: %v", err)
		}
		if time.Since(began) > 60*time.Second {
			t.Fatalf("no failover: %v", err)
		}
	}
	if missed == 0 {
		t.Error("the primary was not missed: this shows nothing")
	}
	for _, h := range []*extlibs.Handle{h, configured} {
		if n, err := h.Count(t.Context(), "k*"); n != keys || err != nil {
			t.Errorf("%d keys after the failover (%v), want %d", n, err, keys)
		}
	}
}

func TestAnAuthorityOfOnesOwnComesFromConfigure(t *testing.T) {
	if serverBinary() == "" {
		t.Skip("TLS needs redis-server or valkey-server on PATH; install one")
	}
	const password = "geheim"
	ca, cert, key := certificates(t, t.TempDir())
	port := freePort(t)
	startServer(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no", "--requirepass", password)
	r := extlibs.NewRegistry()
	defer r.Close()
	addr := "127.0.0.1:" + port
	if got := fromScript(t, r, "rediss://"+addr+"/0/a"); !strings.HasPrefix(got, "failed") || !strings.Contains(got, "certificate") {
		t.Errorf("before: %s", got)
	}
	redisstore.Configure(addr, redisstore.Options{Password: password, CA: ca})
	if got := fromScript(t, r, "rediss://"+addr+"/0/a"); got != "opened" {
		t.Errorf("configured: %s", got)
	}
	if _, err := r.Open(t.Context(), "valkeys://"+addr+"/0/b"); err != nil {
		t.Errorf("the host: %v", err)
	}
	if _, err := r.Open(t.Context(), "redis://"+addr+"/0/c"); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("without TLS: %v", err)
	}
}

func TestAServerThatEvictsIsWarnedOfWhereItTells(t *testing.T) {
	s := startServer(t, "--maxmemory-policy", "allkeys-lru")
	if s.mini != nil {
		t.Skip("eviction needs redis-server or valkey-server on PATH; install one")
	}
	s.command(t, "ACL", "SETUSER", "silent", "on", ">geheim", "~*", "+@all", "-config")
	for _, c := range []struct {
		policy, user string
		warns        bool
	}{{"allkeys-lru", "", true}, {"allkeys-random", "", true}, {"allkeys-lru", "silent:geheim@", false}, {"volatile-ttl", "", false}, {"noeviction", "", false}} {
		s.command(t, "CONFIG", "SET", "maxmemory-policy", c.policy)
		var log bytes.Buffer
		openHandle(t, "redis://"+c.user+s.addr+"/0/"+newName(), extlibs.Logger(slog.New(slog.NewTextHandler(&log, nil))))
		if got := strings.Contains(log.String(), "evicts") && strings.Contains(log.String(), c.policy); got != c.warns || strings.Contains(log.String(), "geheim") {
			t.Errorf("%s %s: %q", c.policy, c.user, log.String())
		}
	}
}
