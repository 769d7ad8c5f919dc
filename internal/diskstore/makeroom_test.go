package diskstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
)

// putMany stores n new keys in one call.
func putMany(ctx context.Context, s *Store, prefix string, n int) error {
	return s.Write(ctx, func(p *Plan) error {
		changes := make([]Change, n)
		for i := range changes {
			changes[i].Key = fmt.Sprintf("%s/%04d", prefix, i)
		}
		if err := p.Read(changes, false, nil); err != nil {
			return err
		}
		for i := range changes {
			changes[i].Next, changes[i].Changed = boltfile.State{Exists: true, Value: "value"}, true
		}
		return p.Make(changes)
	})
}

// A writer that finds the memtable full waits for the checkpoint that is running, and not for
// another one after it.
func TestAWriterWaitsForOneCheckpoint(t *testing.T) {
	var armed atomic.Bool
	commits := make(chan struct{})
	d := mustOpen(t, storeName(t), logBytes(64<<10), hook(func(act access.Act, _ string) error {
		if act == access.ActCommit && armed.Load() {
			<-commits
		}
		return nil
	}))
	if err := d.file.Extend(boltfile.Need{Net: 4 << 20}); err != nil { // else writers wait for that
		t.Fatal(err)
	}
	if err := putMany(t.Context(), d.Store, "first", 1); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	const calls, batch = 200, 10
	done := make(chan error)
	go func() {
		defer close(done)
		for i := range calls {
			done <- putMany(context.Background(), d.Store, fmt.Sprintf("%04d", i), batch)
		}
	}()
	_, size := d.logFile.Load().log.Usage()
	most := d.opts.Parts.memtable(size)
	n := 0
	claimed := func() int64 { return d.visible.claimed(boltfile.Need{}).bytes }
	for claimed() <= most-3*batch*200 { // no commit gets through, and no caller waits for one
		if err := within(t, done); err != nil {
			t.Fatal(err)
		}
		n++
	}
	for waits := false; !waits; { // the first commit, once the writer waits
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			n++
		default:
			d.checkpoints.progress.mu.Lock()
			waits = d.checkpoints.next != nil
			d.checkpoints.progress.mu.Unlock()
		}
	}
	commits <- struct{}{}
	for range 3 { // the second one does not get through
		if err := within(t, done); err != nil {
			t.Fatal(err)
		}
		n++
	}
	armed.Store(false)
	close(commits)
	for err := range done {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if live, err := d.Len(d.opts.Now()); err != nil || n != calls || live != calls*batch+1 {
		t.Errorf("%d calls, %d keys: %v", n, live, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
