package boltfile

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// lookedAt is a context that tells when someone looks at it, and waits then.
type lookedAt struct {
	context.Context
	looks chan struct{}
}

func (l lookedAt) Err() error {
	l.looks <- struct{}{}
	return l.Context.Err()
}

// Where bbolt has to map more of the file, a copy that is under way ends and
// begins again.
func TestACopyMakesWayForALargerMapping(t *testing.T) {
	f, err := openTest(t, t.Context(), t.TempDir()+"/app.db", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	set := func(key string, n int) {
		err := f.Update(func(tx *Tx) error {
			return tx.SetState(key, State{Exists: true, Value: strings.Repeat("v", n)})
		})
		if err != nil {
			t.Error(err)
		}
	}
	for i := range 20 {
		set(fmt.Sprint("key ", i), 20_000)
	}
	ctx := lookedAt{t.Context(), make(chan struct{})}
	var copied bytes.Buffer
	done := make(chan error, 1)
	var writer sync.Mutex // only one writes, or begins a copy
	go func() {
		done <- f.Backup(ctx, &copied, func() (*Snapshot, error) {
			writer.Lock()
			defer writer.Unlock()
			return f.Snapshot()
		})
	}()
	for range 5 {
		within(t, ctx.looks)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		writer.Lock()
		defer writer.Unlock()
		r := f.space.Load()
		r.mapped = r.size.Load() // as if no more were mapped
		set("large", int(r.size.Load()))
	}()
	again := 0
	for finished := false; !finished; {
		select {
		case <-ctx.looks:
			again++
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			finished = true
		}
	}
	within(t, written)
	if again < 10 || copied.Len() == 0 {
		t.Errorf("%d looks, %d bytes", again, copied.Len())
	}
	if f.space.Load().mapped <= f.space.Load().size.Load() {
		t.Error("the write was not what the copy had to make way for")
	}
}

// within ends the test where a channel has nothing for long.
func within[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
	}
	return v
}
