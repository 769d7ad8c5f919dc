package redisstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore"
)

// A server that is stopped has the requests, and carries them out when it continues.
func TestAWriteThatACloseOvertakesIsUnknown(t *testing.T) {
	s := startServer(t)
	if s.mini != nil {
		t.Skip("stopping needs redis-server or valkey-server on PATH; install one")
	}
	name := newName()
	r := extlibs.NewRegistry()
	h, err := r.Open(t.Context(), s.url(name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Incr(t.Context(), "n", 0, 0); err != nil {
		t.Fatal(err)
	}
	s.stop(t)
	const writes = 4
	errs := make(chan error, writes)
	for range writes {
		go func() { _, err := h.Incr(context.Background(), "n", 1, 0); errs <- err }()
	}
	time.Sleep(100 * time.Millisecond) // so that they are on their way
	go h.Close()
	certain := 0
	for range writes {
		err := <-errs
		switch {
		case errors.Is(err, extlibs.ErrClosed) || errors.Is(err, extlibs.ErrUnavailable):
			certain++
		case !errors.Is(err, extlibs.ErrCommitUnknown):
			t.Error(err)
		}
	}
	s.goOn()
	if certain == writes {
		t.Error("no request left: this shows nothing")
	}
	other := openHandle(t, s.url(name))
	for began := time.Now(); time.Since(began) < 300*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		v, err := other.Get(t.Context(), "n")
		if n, ok := v.(int64); !ok || err != nil || n > int64(writes-certain) {
			t.Fatalf("%d of %d calls were said to be not done, and n is %v (%v)", certain, writes, v, err)
		}
	}
}

// gate is a proxy that can close or ignore new connections.
type gate struct {
	net.Listener
	mode  atomic.Value // "", "close" or "silent"
	conns chan net.Conn
}

func startGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Listener: l, conns: make(chan net.Conn, 100)}
	g.mode.Store("")
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			switch g.mode.Load() {
			case "close":
				c.Close()
				continue
			case "silent":
				continue
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			g.conns <- c
			go func() { io.Copy(server, c); server.Close() }()
			go func() { io.Copy(c, server); c.Close() }()
		}
	}()
	return g
}

func TestAHandshakeThatFailsIsUnavailable(t *testing.T) {
	s := startServer(t)
	g := startGate(t, s.addr)
	h := openHandle(t, "redis://"+g.Addr().String()+"/0/"+newName()+"?timeout=300ms")
	for _, mode := range []string{"close", "silent"} {
		g.mode.Store(mode)
		for len(g.conns) > 0 {
			(<-g.conns).Close()
		}
		for { // until the end of the old connection is noticed
			if err := h.Set(t.Context(), "k", 1, 0); err != nil && !errors.Is(err, extlibs.ErrCommitUnknown) {
				break
			}
		}
		err := h.Set(context.Background(), "k", 1, 0)
		if !errors.Is(err, extlibs.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("set, %s: %v", mode, err)
		}
		_, err = h.Get(context.Background(), "k")
		if !errors.Is(err, extlibs.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("get, %s: %v", mode, err)
		}
		g.mode.Store("")
		if err := h.Set(t.Context(), "k", 1, 0); err != nil {
			t.Errorf("after %s: %v", mode, err)
		}
	}
}

func TestTooManyClientsAreUnavailable(t *testing.T) {
	s := startServer(t)
	if s.mini != nil {
		t.Skip("maxclients needs redis-server or valkey-server on PATH; install one")
	}
	s.command(t, "CONFIG", "SET", "maxclients", "1") // which this connection is
	r := extlibs.NewRegistry()
	defer r.Close()
	if _, err := r.Open(t.Context(), s.url("x")); !errors.Is(err, extlibs.ErrUnavailable) {
		t.Error(err)
	}
}

func TestAnErrorHasItsKindOnOlderAndNewerServersToo(t *testing.T) {
	for text, want := range map[string]error{
		"READONLY You can't write against a read only replica.":                                                  extlibs.ErrReadOnly,
		"ERR Error running script (call to f_0): @user_script:2: @user_script: 2: -READONLY You can't write":     extlibs.ErrReadOnly,
		"MISCONF Redis is configured to save RDB snapshots":                                                      extlibs.ErrReadOnly,
		"ERR Error running script (call to f_0): @user_script:2: -MISCONF Redis is configured":                   extlibs.ErrReadOnly,
		"ERR The user executing the script can't run this command or subcommand script: f_0, on @user_script:2.": extlibs.ErrNotAllowed,
		"ERR ACL failure in script: User u has no permissions to run the 'zadd' command":                         extlibs.ErrNotAllowed,
		"NOPERM this user has no permissions":                                                                    extlibs.ErrNotAllowed,
		"ERR max number of clients reached":                                                                      extlibs.ErrUnavailable,
		"ERR Error running script: -OOM command not allowed when used memory > 'maxmemory'":                      extlibs.ErrFull,
	} {
		r := extlibs.NewRegistry()
		if _, err := r.Open(t.Context(), "redis://"+liar(t, "-"+text+"\r\n")+"/0/x"); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnOlderServerIsRefusedAtOpen(t *testing.T) {
	for version, refused := range map[string]bool{"6.2.14": true, "6.0.16": true, "7.0.0": false, "9.1.0": false} {
		r := extlibs.NewRegistry()
		_, err := r.Open(t.Context(), "redis://"+liar(t, "*4\r\n+version\r\n+"+version+"\r\n+mode\r\n+standalone\r\n")+"/0/x")
		if err == nil || strings.Contains(err.Error(), "Redis 7.0 or later") != refused {
			t.Errorf("%s: %v", version, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A node that points to itself for ever.
func TestRedirectsOfACallEnd(t *testing.T) {
	var redirects atomic.Int64
	for _, kind := range []string{"MOVED", "ASK"} {
		redirects.Store(0)
		addr := answering(t, func(words []string, addr string) string {
			switch words[0] {
			case "HELLO":
				return "*4\r\n+version\r\n+7.0.0\r\n+mode\r\n+cluster\r\n"
			case "EVALSHA":
				redirects.Add(1)
				return "-" + kind + " 1 " + addr + "\r\n"
			}
			return "+OK\r\n"
		})
		r := extlibs.NewRegistry()
		began := time.Now()
		_, err := r.Open(t.Context(), "redis://"+addr+"/0/x")
		if n := redirects.Load(); !errors.Is(err, extlibs.ErrUnavailable) || n < 2 || n > 10 || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %d redirects in %v: %v", kind, n, time.Since(began), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestCallsToAServerThatHangsHoldALimitedNumberOfBytes(t *testing.T) {
	s := startServer(t)
	if s.mini != nil {
		t.Skip("stopping needs redis-server or valkey-server on PATH; install one")
	}
	redisstore.Configure(s.addr, redisstore.Options{MaxInFlightBytes: 24 << 20, Timeout: time.Minute})
	h := openHandle(t, s.url(newName()))
	s.stop(t)
	defer s.goOn()
	ctx, cancel := context.WithCancel(t.Context())
	value := strings.Repeat("x", 10<<20)
	const calls, fit = 10, 2
	errs := make(chan error, calls)
	for range calls {
		go func() { errs <- h.Set(ctx, "k", value, 0) }()
	}
	for range calls - fit {
		if err := <-errs; !errors.Is(err, extlibs.ErrUnavailable) || !strings.Contains(err.Error(), "MaxInFlightBytes") {
			t.Error(err)
		}
	}
	cancel()
	for range fit {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	// What was given up is held no more.
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := h.Set(ctx, "k", value, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAURLNamesOnePlace(t *testing.T) {
	s := startServer(t)
	r := extlibs.NewRegistry()
	defer r.Close()
	base := "redis://" + s.addr
	for _, bad := range []string{"/-1/t", "/-1", "/99999999999999999999/t", "/01/t", "/+1/t", "/0/user#1", "/0/user#", "/4294967296/t"} {
		if _, err := r.Open(t.Context(), base+bad); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	_, port, _ := net.SplitHostPort(s.addr)
	h, err := r.Open(t.Context(), "redis://localhost:"+port+"/0/n")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.Open(t.Context(), "redis://LOCALHOST:"+port+"/0/n"); again != h || err != nil {
		t.Errorf("another spelling of the host is another store (%v)", err)
	}
}

func TestAnErrorShowsAScriptNoAddress(t *testing.T) {
	s := startServer(t)
	r := extlibs.NewRegistry()
	defer r.Close()
	g := startGate(t, s.addr)
	if err := r.Init("redis://" + g.Addr().String() + "/0/" + newName()); err != nil {
		t.Fatal(err)
	}
	g.Close()
	for len(g.conns) > 0 {
		(<-g.conns).Close()
	}
	_, port, _ := net.SplitHostPort(g.Addr().String())
	for range 5 {
		err := r.Default().Store().Clear(t.Context())
		if err == nil || strings.Contains(err.Error(), port) && !strings.Contains(err.Error(), `store "redis://`) {
			t.Errorf("%v", err)
		}
		var s string
		if err != nil {
			s = err.Error()
		}
		if i := strings.LastIndex(s, `": `); i >= 0 && strings.Contains(s[i:], port) {
			t.Error(s)
		}
	}
}

func TestSentinelsThatAreGoneAreUnavailable(t *testing.T) {
	for range 3 {
		r := extlibs.NewRegistry()
		if _, err := r.Open(t.Context(), "redis://127.0.0.1:"+freePort(t)+"/0/x?sentinel=kvtest"); !errors.Is(err, extlibs.ErrUnavailable) {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(50 * time.Millisecond) // for goroutines that a bug would end the process in
}
