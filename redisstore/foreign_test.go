package redisstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// liar is a server that answers everything with one reply.
func liar(t *testing.T, reply string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					if strings.HasPrefix(line, "*") {
						if _, err := c.Write([]byte(reply)); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// answering is a server that answers each command with what a function says.
func answering(t *testing.T, answer func(words []string, addr string) string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	addr = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					var words []string
					var n, size int
					if _, err := fmt.Fscanf(in, "*%d\r\n", &n); err != nil {
						return
					}
					for range n {
						if _, err := fmt.Fscanf(in, "$%d\r\n", &size); err != nil {
							return
						}
						word := make([]byte, size+len("\r\n"))
						if _, err := io.ReadFull(in, word); err != nil {
							return
						}
						words = append(words, string(word[:size]))
					}
					if _, err := io.WriteString(c, answer(words, addr)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return addr
}

// A panic of the client would be in another goroutine, and end the process.
func TestAServerThatIsNoneIsAnErrorAndEndsNoProcess(t *testing.T) {
	for _, reply := range []string{
		"$9223372036854775807\r\n", "*9223372036854775807\r\n", "*-7\r\n", "%4611686018427387904\r\n", strings.Repeat("*1\r\n", 1<<16),
		"+OK\r\n+OK\r\n+OK\r\n", ">3\r\n+subscribe\r\n+x\r\n:1\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "-ERR no\r\n", "+OK\r\n", ":7\r\n", "*0\r\n", "%0\r\n", "_\r\n",
		"%1\r\n+proto\r\n:3\r\n", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:1\r\n", "-MOVED 1 127.0.0.1:1\r\n", "-MOVED\r\n", "-ASK 1\r\n", "-LOADING wait\r\n", "$3\r\nabc\r\n",
	} {
		t.Run(strings.ToValidUTF8(reply[:min(len(reply), 20)], "?"), func(t *testing.T) {
			t.Parallel()
			addr := liar(t, reply)
			r := extlibs.NewRegistry()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			h, err := r.Open(ctx, "redis://"+addr+"/0/x")
			if err == nil {
				_, err = h.Incr(ctx, "k", 1, 0)
				_, _ = h.Get(ctx, "k")
				_, _ = h.Keys(ctx, extlibs.ListOptions{})
				_, _ = h.Count(ctx, "*")
			}
			if err == nil {
				t.Error("it is taken for a server")
			}
			if err := r.Close(); err != nil {
				t.Log(err)
			}
		})
	}
}

// What a server says before it has done anything is certainly not done.
func TestAServerThatIsNotReadyIsUnavailable(t *testing.T) {
	for _, reply := range []string{"-LOADING Redis is loading the dataset in memory\r\n", "-CLUSTERDOWN The cluster is down\r\n", "-MASTERDOWN Link with MASTER is down\r\n", "-BUSY Redis is busy running a script\r\n"} {
		r := extlibs.NewRegistry()
		if _, err := r.Open(t.Context(), "redis://"+liar(t, reply)+"/0/x"); !errors.Is(err, extlibs.ErrUnavailable) {
			t.Errorf("%.12s: %v", reply, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestKeysThatHoldSomethingElseAreRefusedAtOpen(t *testing.T) {
	s := startServer(t)
	r := extlibs.NewRegistry()
	defer r.Close()
	for _, part := range []string{"v", "i", "d", "m"} {
		name := newName()
		s.command(t, "SET", "{"+name+"}:"+part, "of another program")
		if _, err := r.Open(t.Context(), s.url(name)); !errors.Is(err, extlibs.ErrFormat) {
			t.Errorf("%s: %v", part, err)
		}
		m := s.command(t, "GET", "{"+name+"}:"+part)
		if text, err := m.ToString(); text != "of another program" || err != nil {
			t.Errorf("it became %q (%v)", text, err)
		}
	}
	name := newName()
	s.command(t, "HSET", "{"+name+"}:m", "format", "3")
	if _, err := r.Open(t.Context(), s.url(name)); !errors.Is(err, extlibs.ErrFormat) {
		t.Errorf("a newer format: %v", err)
	}
}

// Payloads that no store wrote: each call that has to look at them says so, and
// leaves them as they are.
func TestForeignPayloadsAreErrorsAndStay(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	name := newName()
	h := openHandle(t, s.url(name), extlibs.SweepInterval(time.Hour))
	for _, p := range []string{"", "!", "!x!1", "!99999999999999999", "!99999999999999999!", "12x", "-", "99999999999999999999", "#", "#x", "\xff\xff", "\x9f", "\xbb\xff\xff\xff\xff\xff\xff\xff\xff", "\x18", "$$$"} {
		s.command(t, "HSET", "{"+name+"}:v", "k", p)
		s.command(t, "ZADD", "{"+name+"}:i", "0", "k")
		for call, f := range map[string]func() error{
			"get":      func() error { _, err := h.Get(t.Context(), "k"); return err },
			"get_many": func() error { _, err := h.GetMany(t.Context(), []string{"k"}); return err },
			"items":    func() error { _, err := h.Items(t.Context(), extlibs.ListOptions{}); return err },
			"incr":     func() error { _, err := h.Incr(t.Context(), "k", 1, 0); return err },
			"pop":      func() error { _, err := h.Pop(t.Context(), "k"); return err },
			"update": func() error {
				_, err := h.Update(t.Context(), "k", func(any, bool) (any, error) { return 1, nil })
				return err
			},
		} {
			if call == "pop" && p > "@" {
				continue // a server cannot tell what is no CBOR
			}
			err := f()
			if call == "incr" && errors.Is(err, extlibs.ErrType) {
				continue // it need not look further
			}
			if !errors.Is(err, extlibs.ErrCorrupt) {
				t.Errorf("%q, %s: %v", p, call, err)
			}
			m := s.command(t, "HGET", "{"+name+"}:v", "k")
			if still, err := m.ToString(); still != p || err != nil {
				t.Fatalf("%q, %s: it is %q now (%v)", p, call, still, err)
			}
		}
		if err := h.Set(t.Context(), "k", 1, 0); err != nil {
			t.Errorf("%q cannot be replaced: %v", p, err)
		}
	}
}

func TestAForeignIndexIsAnErrorNotAnEndlessWalk(t *testing.T) {
	s := startServer(t)
	for what, member := range map[string]string{"not UTF-8": "a\xff", "too long": strings.Repeat("x", extlibs.MaxKeyBytes+1)} {
		name := newName()
		h := openHandle(t, s.url(name))
		s.command(t, "HSET", "{"+name+"}:v", member, "1")
		s.command(t, "ZADD", "{"+name+"}:i", "0", member)
		if keys, err := h.Keys(t.Context(), extlibs.ListOptions{}); !errors.Is(err, extlibs.ErrCorrupt) {
			t.Errorf("%s: %d keys, %v", what, len(keys), err)
		}
	}
}

// Eviction takes one of the keys of a store. What is left does not pass for all.
func TestAStoreThatLostAPartSaysSo(t *testing.T) {
	s := startServer(t)
	for _, part := range []string{"v", "i"} {
		name := newName()
		h := openHandle(t, s.url(name))
		for i := range 10 {
			if err := h.Set(t.Context(), fmt.Sprint("k", i), i, 0); err != nil {
				t.Fatal(err)
			}
		}
		s.command(t, "DEL", "{"+name+"}:"+part)
		_, errCount := h.Count(t.Context(), "*")
		_, errKeys := h.Keys(t.Context(), extlibs.ListOptions{})
		if !errors.Is(errCount, extlibs.ErrCorrupt) || !errors.Is(errKeys, extlibs.ErrCorrupt) {
			t.Errorf("%s: %v; %v", part, errCount, errKeys)
		}
		if err := h.Clear(t.Context()); err != nil {
			t.Error(err)
		}
		if err := h.Set(t.Context(), "k", 1, 0); err != nil {
			t.Error(err)
		}
		if n, err := h.Count(t.Context(), "*"); n != 1 || err != nil {
			t.Errorf("%s: after a clear: %d, %v", part, n, err)
		}
	}
}

func TestReadingManyEndsBeforeItIsTooLarge(t *testing.T) {
	s := startServer(t)
	name := newName()
	h := openHandle(t, s.url(name), extlibs.MaxOperationBytes(1<<20))
	var keys []string
	for i := range 12 {
		keys = append(keys, fmt.Sprint("k", i))
		if err := h.Set(t.Context(), keys[i], strings.Repeat("x", 100<<10), time.Duration(i%2)*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.GetMany(t.Context(), keys); !errors.Is(err, extlibs.ErrTooLarge) || !strings.Contains(err.Error(), "MaxOperationBytes") {
		t.Errorf("all: %v", err)
	}
	if got, err := h.GetMany(t.Context(), keys[:9]); len(got) != 9 || err != nil {
		t.Errorf("nine: %d, %v", len(got), err)
	}
	entries, err := h.Store().LoadMany(t.Context(), keys, extlibs.NeedTTL)
	if len(entries) != len(keys) || err != nil {
		t.Fatalf("without values: %d, %v", len(entries), err)
	}
	for i, e := range entries {
		if e.Key != keys[i] || (e.TTL > 0) != (i%2 == 1) || !e.Value.IsZero() {
			t.Errorf("%s: %v left, a value of %d bytes", e.Key, e.TTL, e.Value.Len())
		}
	}
}

func TestLimitsWithoutEndLetEverythingThrough(t *testing.T) {
	s := startServer(t)
	h := openHandle(t, s.url(newName()), extlibs.MaxOperationBytes(math.MaxInt), extlibs.MaxValueBytes(math.MaxInt))
	want := strings.Repeat("x", 32<<20)
	if err := h.Set(t.Context(), "k", want, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := h.GetMany(t.Context(), []string{"k"}); got["k"] != want || err != nil {
		t.Errorf("%d keys, %v", len(got), err)
	}
}

func TestSettingManyReplacesWhatTheKeysHadOfExpiry(t *testing.T) {
	s := startServer(t)
	h := openHandle(t, s.url(newName()))
	values := map[string]any{}
	for i := range 2500 {
		values[fmt.Sprint("k", i)] = i
	}
	for _, ttl := range []time.Duration{0, time.Hour, time.Minute, 0, time.Hour} {
		if err := h.SetMany(t.Context(), values, ttl); err != nil {
			t.Fatal(err)
		}
		if n, err := h.Count(t.Context(), "*"); n != len(values) || err != nil {
			t.Errorf("ttl %v: %d keys, %v", ttl, n, err)
		}
		for _, key := range []string{"k0", "k999", "k1000", "k2499"} {
			left, err := h.TTL(t.Context(), key)
			if err != nil || ttl == 0 && left > 0 || ttl > 0 && (left <= ttl-time.Minute || left > ttl) {
				t.Errorf("ttl %v: %s has %v left, %v", ttl, key, left, err)
			}
		}
	}
	if got, err := h.GetMany(t.Context(), []string{"k7", "k2007"}); got["k7"] != int64(7) || got["k2007"] != int64(2007) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
