package redisstore_test

import (
	"bytes"
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

// startSentinel starts a sentinel that watches a primary, and returns its address.
func startSentinel(t *testing.T, primary *testServer, password string) string {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t)
	host, primaryPort, _ := strings.Cut(primary.addr, ":")
	file := filepath.Join(dir, "sentinel.conf") // which it writes to
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor kvtest %s %s 1\nsentinel auth-pass kvtest %s\nsentinel down-after-milliseconds kvtest 300\nsentinel failover-timeout kvtest 2000\n", port, dir, host, primaryPort, password)
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
		if replicas, err := s.ask("", "SENTINEL", "REPLICAS", "kvtest"); err == nil {
			if list, err := replicas.ToArray(); err == nil && len(list) == 1 {
				m, err := list[0].AsStrMap()
				if err == nil && m["master-link-status"] == "ok" {
					return s.addr
				}
			}
		}
	}
}

func TestAStoreFollowsItsSentinelsToANewPrimary(t *testing.T) {
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
			if n, err := m.ToInt64(); err == nil && n == keys {
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
