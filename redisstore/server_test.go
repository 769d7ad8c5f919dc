package redisstore_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/redisstore"
	"github.com/scriptling-kv/extlibs/storetest"
)

// testServer is a server of a test's own: the real one if the machine has it,
// else an imitation in this process.
type testServer struct {
	addr string
	mini *miniredis.Miniredis // nil: a real server
	cmd  *exec.Cmd
	args []string
	dir  string
}

// serverBinary is the server that KV_REDIS_SERVER names, or that on PATH, "" if there is none.
func serverBinary() string {
	if path := os.Getenv("KV_REDIS_SERVER"); path != "" {
		return path
	}
	for _, name := range []string{"valkey-server", "redis-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// startServer starts a server with the given settings, --name value. Where there
// is no real one it is an imitation, which takes no settings.
func startServer(t *testing.T, settings ...string) *testServer {
	t.Helper()
	if serverBinary() == "" {
		if len(settings) > 0 {
			t.Log("no redis-server or valkey-server on PATH: this runs on an imitation, without", settings)
		}
		m := imitation(t)
		return &testServer{addr: m.Addr(), mini: m}
	}
	port := freePort(t)
	s := &testServer{addr: "127.0.0.1:" + port, dir: t.TempDir()}
	s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", s.dir, "--daemonize", "no"}, settings...)
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

// imitation starts one. It says that it is a cluster and names itself, which would
// lead past a proxy. Its HINCRBY continues from the greatest int to the least, where a
// server refuses; so it refuses always, and the store adds another way.
func imitation(t *testing.T) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.RunT(t)
	m.SetTime(time.Now())
	refused := map[string]string{"CLUSTER": "ERR This instance has cluster support disabled", "HINCRBY": "ERR this would not see an overflow"}
	m.Server().SetPreHook(func(c *server.Peer, cmd string, _ ...string) bool {
		text, refuse := refused[cmd]
		if refuse {
			c.WriteError(text)
		}
		return refuse
	})
	return m
}

// runClock has the clock of an imitation show the time until the test ends.
func (s *testServer) runClock(t *testing.T) {
	if s.mini == nil {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			s.mini.SetTime(time.Now())
			time.Sleep(time.Millisecond)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

func (s *testServer) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command(serverBinary(), s.args...)
	var out bytes.Buffer
	s.cmd.Stdout = &out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("tcp", s.addr); err == nil {
			conn.Close()
			return
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("the server does not answer: %s", out.String())
		}
	}
}

// kill ends the server as a crash does.
func (s *testServer) kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *testServer) url(name string) string { return "redis://" + s.addr + "/0/" + name }

// names are given once each, so that each store begins empty.
var names atomic.Int64

func newName() string { return "t" + strconv.FormatInt(names.Add(1), 10) }

// open opens a store as a host does, and returns what is below its checks.
func open(t *testing.T, url string, opts ...extlibs.Option) extlibs.Store {
	t.Helper()
	return openHandle(t, url, opts...).Store()
}

func openHandle(t *testing.T, url string, opts ...extlibs.Option) *extlibs.Handle {
	t.Helper()
	r := extlibs.NewRegistry(opts...)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	h, err := r.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// client is a client of the test's own.
func (s *testServer) client(t *testing.T) rueidis.Client {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.addr}, DisableCache: true, ForceSingleClient: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// command sends a command to the server.
func (s *testServer) command(t *testing.T, words ...string) rueidis.RedisMessage {
	t.Helper()
	c := s.client(t)
	m, err := c.Do(context.Background(), c.B().Arbitrary(words...).Build()).ToMessage()
	if err != nil && !rueidis.IsRedisNil(err) {
		t.Fatalf("%s: %v", strings.Join(words, " "), err)
	}
	return m
}

// ask sends a command that may fail, on a separate connection.
func (s *testServer) ask(password string, words ...string) (m rueidis.RedisMessage, err error) {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.addr}, Password: password, DisableCache: true, ForceSingleClient: true})
	if err != nil {
		return m, err
	}
	defer c.Close()
	return c.Do(context.Background(), c.B().Arbitrary(words...).Build()).ToMessage()
}

// openBare opens the store that is below a Handle, whose own Store hides what this one
// does not match.
func openBare(t *testing.T, store string) extlibs.Store {
	t.Helper()
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	s, err := redisstore.Open(context.Background(), extlibs.OpenConfig{
		URL: u, MaxValueBytes: extlibs.DefaultMaxValueBytes, MaxOperationBytes: extlibs.DefaultMaxOperationBytes,
		SweepInterval: extlibs.DefaultSweepInterval, Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStoreWithoutAHandle(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("TestStore runs the same tests with a Handle")
	}
	s := startServer(t)
	if s.mini != nil {
		t.Skip("the clock of the imitation is moved in another test")
	}
	storetest.Run(t, storetest.Config{Open: func(t *testing.T) extlibs.Store { return openBare(t, s.url(newName())) }})
}

// Whatever a pattern selects in memory, it selects on a server, in each call that takes one.
func TestAPatternSelectsWhatItSelectsInMemory(t *testing.T) {
	s := startServer(t)
	remote := openHandle(t, s.url(newName()))
	local := openHandle(t, ":memory:patterns")
	stores := []*extlibs.Handle{local, remote}
	for _, pattern := range []string{"*", "user:*", "user:1", "*:1", "*se*", "?", "[!a]", "{user,job}:?", "*[0-4]", "none*x"} {
		var keys [][]string
		var counts, deleted []int
		for _, h := range stores {
			values := map[string]any{"a": 1, "b": 2}
			for i := range 30 {
				values[fmt.Sprintf("user:%d", i)] = i
				values[fmt.Sprintf("job:%d", i)] = i
			}
			if err := h.SetMany(t.Context(), values, 0); err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, limit := range []int{0, 1, 3} {
				k, err := h.Keys(t.Context(), extlibs.ListOptions{Pattern: pattern, Limit: limit})
				if err != nil {
					t.Fatal(err)
				}
				items, err := h.Items(t.Context(), extlibs.ListOptions{Pattern: pattern, Limit: limit})
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, k...)
				for _, item := range items {
					found = append(found, item.Key)
				}
			}
			for item, err := range h.All(t.Context(), extlibs.ListOptions{Pattern: pattern}) {
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, item.Key)
			}
			n, err := h.Count(t.Context(), pattern)
			if err != nil {
				t.Fatal(err)
			}
			d, err := h.DeleteMatching(t.Context(), pattern)
			if err != nil {
				t.Fatal(err)
			}
			keys, counts, deleted = append(keys, found), append(counts, n), append(deleted, d)
		}
		if !slices.Equal(keys[0], keys[1]) || counts[0] != counts[1] || deleted[0] != deleted[1] {
			t.Errorf("%q: %q, counted %d, deleted %d in memory\n%q, counted %d, deleted %d on a server", pattern, keys[0], counts[0], deleted[0], keys[1], counts[1], deleted[1])
		}
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := storetest.Config{Open: func(t *testing.T) extlibs.Store { return open(t, s.url(newName())) }}
	if s.mini != nil {
		now := time.Now()
		c.Advance = func(d time.Duration) {
			now = now.Add(d)
			s.mini.SetTime(now)
		}
	}
	storetest.Run(t, c)
}

func TestStoreOnAnImitation(t *testing.T) {
	t.Parallel()
	kvtest.OnceIn(t, 2)
	m := imitation(t)
	now := time.Now()
	m.SetTime(now)
	storetest.Run(t, storetest.Config{
		Open: func(t *testing.T) extlibs.Store { return open(t, "redis://"+m.Addr()+"/0/"+newName()) },
		Advance: func(d time.Duration) {
			now = now.Add(d)
			m.SetTime(now)
		},
	})
}

// startCluster starts three nodes that share the slots, or returns "".
func startCluster(t *testing.T) string {
	t.Helper()
	if serverBinary() == "" {
		return ""
	}
	return clusterNodes(t)[0].addr
}

func clusterNodes(t *testing.T) (nodes []*testServer) {
	t.Helper()
	for range 3 {
		// The bus of a cluster is at another port, by default far above.
		nodes = append(nodes, startServer(t, "--cluster-enabled", "yes", "--cluster-port", freePort(t), "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "15000"))
	}
	const slots = 16384
	for i, n := range nodes {
		n.command(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/3), strconv.Itoa((i+1)*slots/3-1))
		n.command(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i > 0 {
			host, port, _ := strings.Cut(nodes[0].addr, ":")
			bus := nodes[0].args
			n.command(t, "CLUSTER", "MEET", host, port, valueOf(bus, "--cluster-port"))
		}
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		ready := 0
		for _, n := range nodes {
			reply := n.command(t, "CLUSTER", "INFO")
			info, err := reply.ToString()
			if err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") {
				ready++
			}
		}
		if ready == len(nodes) {
			return nodes
		}
		if time.Since(began) > 30*time.Second {
			t.Fatal("the cluster does not get ready")
		}
	}
}

func valueOf(args []string, name string) string {
	for i, a := range args {
		if a == name {
			return args[i+1]
		}
	}
	return ""
}

func TestStoreOnACluster(t *testing.T) {
	t.Parallel()
	kvtest.OnceIn(t, 2)
	addr := startCluster(t)
	if addr == "" {
		t.Skip("a cluster needs redis-server or valkey-server on PATH; install one")
	}
	storetest.Run(t, storetest.Config{Open: func(t *testing.T) extlibs.Store {
		return openBare(t, "redis://"+addr+"/"+newName())
	}})
}

func TestStoreOfAUserThatIsConfinedToIt(t *testing.T) {
	t.Parallel()
	kvtest.OnceIn(t, 2)
	s := startServer(t)
	if s.mini != nil {
		t.Skip("rights need redis-server or valkey-server on PATH; install one")
	}
	s.command(t, "ACL", "SETUSER", "tenant", "on", ">geheim", "~{t1}:*", "+@all", "-@admin", "-@dangerous")
	storetest.Run(t, storetest.Config{Open: func(t *testing.T) extlibs.Store {
		st := open(t, "redis://tenant:geheim@"+s.addr+"/0/t1")
		if err := st.Clear(context.Background()); err != nil {
			t.Fatal(err)
		}
		return st
	}})
	r := extlibs.NewRegistry()
	defer r.Close()
	if _, err := r.Open(t.Context(), "redis://tenant:geheim@"+s.addr+"/0/other"); err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("another store opens: %v", err)
	}
}

func TestStoreOverTLSAndASocket(t *testing.T) {
	t.Parallel()
	kvtest.OnceIn(t, 2)
	if serverBinary() == "" {
		t.Skip("TLS and sockets need redis-server or valkey-server on PATH; install one")
	}
	dir := t.TempDir()
	ca, cert, key := certificates(t, dir)
	port := freePort(t)
	socket := filepath.Join(dir, "s")
	s := startServer(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no", "--unixsocket", socket)
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil || time.Since(began) > 10*time.Second {
			break
		}
	}
	name := newName()
	plain := openHandle(t, s.url(name))
	if err := plain.Set(t.Context(), "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		"rediss://127.0.0.1:" + port + "/0/" + name + "?ca=" + ca,
		"valkeys://127.0.0.1:" + port + "/0/" + name + "?ca=" + ca,
		fmt.Sprintf("redis+unix://%s?name=%s", socket, name),
	} {
		h := openHandle(t, url)
		if v, err := h.Get(t.Context(), "k"); v != int64(1) || err != nil {
			t.Errorf("%s: %v, %v", url, v, err)
		}
	}
	r := extlibs.NewRegistry()
	defer r.Close()
	if _, err := r.Open(t.Context(), "rediss://127.0.0.1:"+port+"/0/"+name); err == nil {
		t.Error("a certificate of an unknown authority is accepted")
	}
	storetest.Run(t, storetest.Config{Open: func(t *testing.T) extlibs.Store {
		return open(t, "rediss://127.0.0.1:"+port+"/0/"+newName()+"?ca="+ca)
	}})
}
