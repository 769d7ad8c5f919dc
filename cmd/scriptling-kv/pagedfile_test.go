package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// slowOutput is an output that takes each write only when it is told to.
type slowOutput struct {
	strings.Builder
	writes chan struct{}
}

func (s *slowOutput) Write(p []byte) (int, error) {
	<-s.writes
	return s.Builder.Write(p)
}

// While a reader writes its output, or reads page after page, a program that starts gets
// the file; the reader continues when the program has ended.
func TestAProgramThatStartsGetsTheFileOfAReader(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 40_000) // a few writes of an export
	out := &slowOutput{writes: make(chan struct{})}
	ended := make(chan int, 1)
	var errs strings.Builder
	go func() {
		ended <- run(c.Context(), []string{"export", "a.db"}, strings.NewReader(""), out, &errs)
	}()
	out.writes <- struct{}{} // it is in the middle
	r := extlibs.NewRegistry()
	h, err := r.Open(t.Context(), "a.db")
	if err == nil {
		err = h.Set(t.Context(), "last2", 2, 0)
	}
	if err = errors.Join(err, r.Close()); err != nil {
		t.Errorf("the program: %v", err)
	}
	close(out.writes)
	if status := <-ended; status != 0 || strings.Count(out.String(), "\n") != 40_002 {
		t.Errorf("exit status %d, %s, %d lines", status, errs.String(), strings.Count(out.String(), "\n"))
	}
}

// A reader that finds that a program has taken the file says so, and leaves no file.
func TestAReaderWhoseFileAProgramTakesEnds(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 40_000)
	out := &slowOutput{writes: make(chan struct{})}
	ended := make(chan int, 1)
	var errs strings.Builder
	go func() {
		ended <- run(c.Context(), []string{"export", "a.db"}, strings.NewReader(""), out, &errs)
	}()
	out.writes <- struct{}{}
	r := extlibs.NewRegistry()
	if _, err := r.Open(t.Context(), "a.db"); err != nil {
		t.Fatal(err)
	}
	close(out.writes)
	if status := <-ended; status != exitFailed || !strings.Contains(errs.String(), "in use") || !strings.Contains(errs.String(), "--live") {
		t.Errorf("exit status %d, %s", status, errs.String())
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// Several readers that never rest let a program in.
func TestReadersThatNeverRestLetAProgramIn(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				run(ctx, []string{"export", "a.db"}, strings.NewReader(""), &strings.Builder{}, &strings.Builder{}) // it can find the file in use
			}
		})
	}
	for range 3 {
		r := extlibs.NewRegistry(extlibs.LockTimeout(time.Minute))
		_, err := r.Open(t.Context(), "a.db")
		if err := errors.Join(err, r.Close()); err != nil {
			t.Error(err)
		}
	}
	cancel()
	readers.Wait()
}
