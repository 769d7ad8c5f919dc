package boltfile

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
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

// Where the engine has to map more of the file, a copy that is under way ends and
// begins again.
func TestACopyMakesWayForALargerMapping(t *testing.T) {
	d, err := OpenDisk(t.Context(), access.Location{Path: t.TempDir() + "/app.db"}, DiskOptions{Options: Options{LockTimeout: time.Second, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, LogBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	set := func(key string, n int) {
		err := d.Do(t.Context(), func(p *Plan) error {
			p.Change(key, State{}, State{Exists: true, Value: strings.Repeat("v", n)})
			return nil
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
	go func() { done <- d.Backup(ctx, &copied) }()
	for range 5 {
		within(t, ctx.looks)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		d.lock(context.Background())
		r := d.file.room.Load()
		r.mapped = r.size.Load() // as if no more were mapped
		d.unlock()
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
	if d.file.room.Load().mapped <= d.file.room.Load().size.Load() {
		t.Error("the write was not what the copy had to make way for")
	}
}
