package diskstore

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
)

// parts is an option for tests of limits.
func parts(p Parts) option { return func(o *Options) { o.Parts = p } }

// stoppedCommits is a hook that lets commits through one at a time, once it is armed.
type stoppedCommits struct {
	armed   atomic.Bool
	waits   chan struct{} // a commit waits
	goOn    chan struct{}
	allowed chan struct{} // closed: all of them go on
}

func stopCommits() *stoppedCommits {
	return &stoppedCommits{waits: make(chan struct{}, 1), goOn: make(chan struct{}), allowed: make(chan struct{})}
}

func (c *stoppedCommits) hook(act access.Act, _ string) error {
	if act != access.ActCommit || !c.armed.Load() {
		return nil
	}
	select {
	case c.waits <- struct{}{}:
	default:
	}
	select {
	case <-c.goOn:
	case <-c.allowed:
	}
	return nil
}

// A writer that finds the memtable full waits for a part of the checkpoint that is running,
// and so does one that needs a longer file.
func TestAPartOfACheckpointMakesRoom(t *testing.T) {
	for _, space := range []int64{0, 8 << 20} {
		t.Run(fmt.Sprint(space, " bytes ahead"), func(t *testing.T) {
			commits := stopCommits()
			d := mustOpen(t, storeName(t), logBytes(64<<10), parts(Parts{Transaction: 16 << 10}), hook(commits.hook))
			if err := putMany(t.Context(), d.Store, "first", 1); err != nil {
				t.Fatal(err)
			}
			if space > 0 {
				if err := d.file.Extend(boltfile.Need{Net: space}); err != nil {
					t.Fatal(err)
				}
			}
			commits.armed.Store(true)
			const batch, most = 10, 120
			calls := make(chan error)
			go func() {
				defer close(calls)
				for i := range most {
					calls <- putMany(context.Background(), d.Store, fmt.Sprintf("%04d", i), batch)
				}
			}()
			_, size := d.logFile.Load().log.Usage()
			limit := d.opts.Parts.memtable(size)
			done := 0
			call := func(err error, ok bool) {
				if err != nil || !ok {
					t.Fatal("a call, or there are no more: ", err)
				}
				done++
				if held := d.visible.claimed(boltfile.Need{}).bytes; held > limit {
					t.Fatalf("%d bytes are held, the limit is %d", held, limit)
				}
			}
			// waitsFor returns the step that the writer waits for, if it has to wait.
			waitsFor := func() *step {
				more := int64(batch * (len("0000/0000"+"value") + boltfile.EntryOverhead))
				if c := d.visible.claimed(boltfile.Need{Net: 3 * more}); c.bytes+more <= limit && d.file.Fits(c.need) {
					return nil
				}
				d.checkpoints.progress.mu.Lock()
				defer d.checkpoints.progress.mu.Unlock()
				return d.checkpoints.next
			}
			stopped := false // a commit waits
			next := func() {
				select {
				case err, ok := <-calls:
					call(err, ok)
				case <-commits.waits:
					stopped = true
				default:
					runtime.Gosched()
				}
			}
			for !stopped || waitsFor() == nil {
				next()
			}
			immutable := func() (m *memtable) {
				d.visible.locked(func() { m = d.visible.tables.oldest() })
				return m
			}
			first := immutable()
			// Now a part at a time makes room, long before the checkpoint ends.
			for more := done + 5; done < more; {
				if part := waitsFor(); part != nil && stopped {
					stopped = false
					commits.goOn <- struct{}{}
					for !stopped && waitsFor() == part {
						next()
					}
					if waitsFor() == part {
						t.Fatal("a part made no room")
					}
				}
				next()
			}
			if first == nil || immutable() != first {
				t.Error("the writer has waited for the end of the checkpoint")
			}
			close(commits.allowed)
			for err := range calls {
				call(err, true)
			}
			if n, err := d.Len(d.opts.Now()); err != nil || n != int64(done)*batch+1 {
				t.Errorf("%d keys of %d: %v", n, done*batch+1, err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
