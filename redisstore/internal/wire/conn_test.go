package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// piped returns a connection and its other end.
func piped(silent time.Duration) (*Conn, net.Conn) {
	ours, theirs := net.Pipe()
	limit := new(atomic.Int64)
	limit.Store(1 << 20)
	c := newConn(ours, silent, limit)
	c.start()
	return c, theirs
}

// command reads a command as a server does.
func command(r *bufio.Reader) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	words := make([]string, n)
	for i := range words {
		if line, err = r.ReadString('\n'); err != nil {
			return nil, err
		}
		size, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
		b := make([]byte, size+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		words[i] = string(b[:size])
	}
	return words, nil
}

// echo answers each command with its second word.
func echo(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		words, err := command(r)
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(c, "$%d\r\n%s\r\n", len(words[1]), words[1]); err != nil {
			return
		}
	}
}

func TestCallersGetTheirOwnAnswers(t *testing.T) {
	c, other := piped(time.Minute)
	defer c.Close()
	go echo(other)
	var wg sync.WaitGroup
	for caller := range 50 {
		wg.Go(func() {
			for i := range 100 {
				want := fmt.Sprint(caller, "-", i, strings.Repeat("x", i*i))
				ctx, cancel := context.WithCancel(t.Context())
				req := Request{Command: []string{"ECHO", want}}
				if i%3 == 0 {
					req.Before = []string{"ECHO", "before" + want}
				}
				if i%7 == 0 {
					go cancel()
				}
				r, err := c.Do(ctx, req)
				cancel()
				if err == nil && (r.Text != want || req.Before != nil && r.Before.Text != "before"+want) || err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("%v, %v", r, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestARequestThatWasNotWrittenIsCertainlyNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, other := piped(time.Hour)
		defer c.Close()
		results := make(chan error, 3)
		do := func(ctx context.Context, word string) {
			_, err := c.Do(ctx, Request{Command: []string{"ECHO", word}})
			results <- err
		}
		go do(context.Background(), "first") // which a pipe does not take
		synctest.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		go do(ctx, "second")
		synctest.Wait()
		cancel()
		var lost *Lost
		if err := <-results; !errors.As(err, &lost) || lost.Sent || !errors.Is(err, context.Canceled) {
			t.Errorf("given up before it was written: %v", err)
		}
		go do(context.Background(), "third")
		synctest.Wait()
		go echo(other)
		for range 2 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestClosingTellsWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, other := piped(time.Hour)
		go io.Copy(io.Discard, other)
		results := make(chan error, 1)
		go func() {
			_, err := c.Do(context.Background(), Request{Command: []string{"ECHO", "x"}})
			results <- err
		}()
		synctest.Wait()
		c.Close()
		var lost *Lost
		if err := <-results; !errors.As(err, &lost) || !lost.Sent || !errors.Is(err, ErrClosed) {
			t.Errorf("sent and not answered: %v", err)
		}
		_, err := c.Do(context.Background(), Request{Command: []string{"ECHO", "x"}})
		if !errors.As(err, &lost) || lost.Sent || c.Usable() {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestASilentServerEndsTheConnectionOnlyWhileACallWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, other := piped(10 * time.Second)
		defer c.Close()
		answers := make(chan string)
		go func() {
			r := bufio.NewReader(other)
			for {
				if _, err := command(r); err != nil {
					return
				}
				if answer, ok := <-answers; ok {
					io.WriteString(other, answer)
				}
			}
		}()
		do := func() error {
			_, err := c.Do(context.Background(), Request{Command: []string{"X"}})
			return err
		}
		go func() { time.Sleep(9 * time.Second); answers <- "+OK\r\n" }()
		if err := do(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour) // idle
		go func() { answers <- "+OK\r\n" }()
		if err := do(); err != nil {
			t.Error(err)
		}
		began := time.Now()
		if err := do(); !errors.Is(err, ErrSilent) || time.Since(began) > 21*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(answers)
	})
}

func TestAnAnswerToNoRequestEndsTheConnection(t *testing.T) {
	c, other := piped(time.Hour)
	io.WriteString(other, "+OK\r\n")
	for c.Usable() {
		time.Sleep(time.Millisecond)
	}
}
