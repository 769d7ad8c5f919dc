package wire

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

// parse reads replies until the text ends.
func parse(reply string, slow bool) error {
	var from io.Reader = strings.NewReader(reply)
	if slow {
		from = iotest.OneByteReader(from)
	}
	most := new(atomic.Int64)
	most.Store(2000)
	p := newParser(from, most)
	for {
		if _, err := p.next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestTheParserReadsWhatServersSay(t *testing.T) {
	for _, slow := range []bool{false, true} {
		for _, reply := range []string{
			"+OK\r\n", "-ERR no\r\n", ":12\r\n", ":-9223372036854775808\r\n", "$-1\r\n", "*-1\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", "$0\r\n\r\n", "$4\r\n\r\n$9\r\n", "=3\r\nabc\r\n",
			"*0\r\n", "*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n+x\r\n", "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n$1\r\nx\r\n", "~1\r\n_\r\n", "+" + strings.Repeat("x", 900) + "\r\n",
		} {
			if err := parse(reply+reply, slow); err != nil {
				t.Errorf("%q: %v", reply, err)
			}
		}
	}
}

func TestTheParserRefusesWhatWouldEndTheProcess(t *testing.T) {
	for _, slow := range []bool{false, true} {
		for _, reply := range []string{
			"$9223372036854775807\r\n", "$99999999999999999999\r\n", "$2001\r\n", "$-2\r\n", "$?\r\n", "$+1\r\n", "$-\r\n", "$1_0\r\n", "$5\n", "$\r\n",
			"*9223372036854775807\r\n", "*-5\r\n", "*?\r\n", "*100\r\n", "%-1\r\n", "%4611686018427387904\r\n", "~-3\r\n",
			strings.Repeat("*1\r\n", 100), "*1\r\n" + strings.Repeat("*2\r\n:1\r\n", 20), strings.Repeat("*20\r\n", 3),
			">3\r\n+subscribe\r\n+c\r\n:1\r\n", "*1\r\n>2\r\n+a\r\n+b\r\n", "|1\r\n+a\r\n+b\r\n+OK\r\n", ";3\r\nabc\r\n", ".\r\n", "_xyz\r\n", "#true\r\n",
			"HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n", "\r\n", "\x00\r\n", "+" + strings.Repeat("x", maxLine),
		} {
			if err := parse(reply, slow); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%.40q passes", reply)
			}
		}
	}
}

// Random replies are judged alike in whatever pieces they come, and no reply takes
// long.
func TestTheParserJudgesAReplyAlikeInAllPieces(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	words := []string{"+", "-", ":", "$", "*", "%", "~", "_", "#", ">", "(", "1", "2", "0", "-1", "10", "x", "\r\n", "\r\n", "\r\n", "\r", "\n", "$1\r\na\r\n", "*2\r\n", ":1\r\n"}
	passed := 0
	for range 20_000 {
		var b strings.Builder
		for range 1 + r.IntN(12) {
			b.WriteString(words[r.IntN(len(words))])
		}
		whole, pieces := parse(b.String(), false), parse(b.String(), true)
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
