package redisstore

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

// reading is a connection from which a test reads.
type reading struct {
	net.Conn
	io.Reader
}

func (r reading) Read(p []byte) (int, error)  { return r.Reader.Read(p) }
func (r reading) Write(p []byte) (int, error) { return len(p), nil }
func (r reading) Close() error                { return nil }

const asked = "*2\r\n$3\r\nGET\r\n$3\r\n*1\r\r\n" // a key that looks like a request

func guarded(t *testing.T, reply string, requests int, pushes bool, slow bool) error {
	t.Helper()
	var from io.Reader = strings.NewReader(reply)
	if slow {
		from = iotest.OneByteReader(from)
	}
	most := new(atomic.Int64)
	most.Store(1000)
	g := newGuard(reading{Reader: from}, most, pushes)
	for range requests {
		for _, part := range []string{asked[:1], asked[1:9], asked[9:]} {
			if _, err := g.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := g.sent.Load(); n != int64(requests) {
		t.Fatalf("%d requests were sent, it counts %d", requests, n)
	}
	got, err := io.ReadAll(g)
	if err == nil && string(got) != reply {
		t.Errorf("%q became %q", reply, got)
	}
	return err
}

func TestAGuardLetsThroughWhatServersSay(t *testing.T) {
	for _, slow := range []bool{false, true} {
		for _, reply := range []string{
			"+OK\r\n", "-ERR no\r\n", ":12\r\n", ":-9223372036854775808\r\n", "$-1\r\n", "*-1\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", "$0\r\n\r\n", "$4\r\n\r\n$9\r\n", "=3\r\nabc\r\n",
			"*0\r\n", "*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n+x\r\n", "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n$1\r\nx\r\n", "~1\r\n_\r\n", "+" + strings.Repeat("x", 900) + "\r\n",
		} {
			if err := guarded(t, reply+reply, 2, false, slow); err != nil {
				t.Errorf("%q: %v", reply, err)
			}
		}
		if err := guarded(t, ">3\r\n+message\r\n+c\r\n+text\r\n+OK\r\n", 1, true, slow); err != nil {
			t.Errorf("a message: %v", err)
		}
	}
}

func TestAGuardEndsWhatWouldEndTheProcess(t *testing.T) {
	for _, slow := range []bool{false, true} {
		for _, reply := range []string{
			"$9223372036854775807\r\n", "$99999999999999999999\r\n", "$2000\r\n", "$-2\r\n", "$?\r\n", "$+1\r\n", "$-\r\n", "$1_0\r\n", "$5\n", "$\r\n",
			"*9223372036854775807\r\n", "*-5\r\n", "*?\r\n", "*100\r\n", "%-1\r\n", "%4611686018427387904\r\n", "~-3\r\n",
			strings.Repeat("*1\r\n", 100), "*1\r\n" + strings.Repeat("*2\r\n:1\r\n", 20), strings.Repeat("*20\r\n", 3),
			">3\r\n+subscribe\r\n+c\r\n:1\r\n", "*1\r\n>2\r\n+a\r\n+b\r\n", "|1\r\n+a\r\n+b\r\n+OK\r\n", ";3\r\nabc\r\n", ".\r\n", "_xyz\r\n", "#true\r\n",
			"+OK\r\n+OK\r\n", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n", "\r\n", "\x00\r\n", "+" + strings.Repeat("x", maxLine),
		} {
			if err := guarded(t, reply, 1, false, slow); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%.40q passes", reply)
			}
		}
		if err := guarded(t, "+OK\r\n", 0, false, slow); err == nil {
			t.Error("a reply that nobody asked for passes")
		}
	}
}

// Random replies are judged alike in whatever pieces they come, and no reply takes
// long.
func TestAGuardJudgesAReplyAlikeInAllPieces(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	words := []string{"+", "-", ":", "$", "*", "%", "~", "_", "#", ">", "(", "1", "2", "0", "-1", "10", "x", "\r\n", "\r\n", "\r\n", "\r", "\n", "$1\r\na\r\n", "*2\r\n", ":1\r\n"}
	passed := 0
	for range 20_000 {
		var b strings.Builder
		for range 1 + r.IntN(12) {
			b.WriteString(words[r.IntN(len(words))])
		}
		whole, pieces := guarded(t, b.String(), 3, false, false), guarded(t, b.String(), 3, false, true)
		if (whole == nil) != (pieces == nil) {
			t.Fatalf("seed %d, %q: %v, in pieces %v", seed, b.String(), whole, pieces)
		}
		if whole == nil {
			passed++
		}
	}
	if passed < 100 {
		t.Errorf("%d replies passed: this shows little", passed)
	}
}
