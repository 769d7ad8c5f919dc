package diskstore

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
)

// A segment takes memory, and makes a replay long, until a checkpoint has written its changes.
func TestASegmentIsCheckpointedAlthoughOthersWrite(t *testing.T) {
	t.Parallel()
	d := opened(t, storeName(t), logBytes(1<<20))
	keys := make([]string, 40_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("k%06d/%s", i, strings.Repeat("k", 40))
	}
	if err := d.set("first", 1); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteMany(t.Context(), len(keys), func(p *Plan) error { return increment(p, keys, func() {}) }); err != nil {
		t.Fatal(err)
	}
	for late := time.After(30 * time.Second); ; {
		next := d.checkpoints.nextStep()
		if d.logFile.Load().log.SegmentBytes() == 0 {
			return
		}
		select {
		case <-next.done:
		case <-time.After(200 * time.Millisecond): // the store never has quietTime without writes
			if err := d.set("other", 1); err != nil {
				t.Fatal(err)
			}
		case <-late:
			t.Fatal("the segment is still there")
		}
	}
}

// A call that waits for the memory of another one, which is still writing its segment, starts no
// checkpoints: they would have nothing to write.
func TestACallThatWaitsForTheMemoryOfAnotherIsIdle(t *testing.T) {
	t.Parallel()
	d := opened(t, storeName(t), logBytes(64<<10))
	tries := 0
	if err := d.set("first", 1); err != nil {
		t.Fatal(err)
	}
	if !d.visible.reserve(maxSegmentMemory) { // as if another call wrote its segment
		t.Fatal("there is no memory")
	}
	done := make(chan error, 1)
	go func() { done <- d.largeCall(t.Context(), &tries) }()
	steps := 0
	for late := time.After(300 * time.Millisecond); late != nil; {
		select {
		case <-d.checkpoints.nextStep().done:
			steps++
		case err := <-done:
			t.Fatalf("it did not wait: %v", err)
		case <-late:
			late = nil
		}
	}
	if steps > 10 { // of other reasons
		t.Errorf("%d checkpoints while it waited", steps)
	}
	d.visible.locked(func() { d.visible.unreserve(maxSegmentMemory) })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	d.holds(t, 1)
}

// A larger log can replace the log of a segment at any moment before the record that names it.
func TestALogIsReplacedWhileASegmentGetsItsBlocks(t *testing.T) {
	t.Parallel()
	var allocates, renames atomic.Bool
	inAllocate, allocate := make(chan struct{}), make(chan struct{})
	inRename, rename := make(chan struct{}), make(chan struct{})
	d := opened(t, storeName(t), logBytes(64<<10), parts(Parts{LargeLogs: true}), hook(func(act access.Act, name string) error {
		switch {
		case act == access.ActAllocateLog && strings.HasSuffix(name, "-log") && allocates.CompareAndSwap(true, false):
			close(inAllocate)
			<-allocate
		case act == access.ActRename && renames.CompareAndSwap(true, false):
			close(inRename)
			<-rename
		}
		return nil
	}))
	for i := range 200 {
		if err := d.set(fmt.Sprint("fill", i), strings.Repeat("v", 2000)); err != nil {
			t.Fatal(err)
		}
		if i%2 > 0 { // so it is never busy, and keeps the small log
			w, err := d.lockFile(t.Context())
			if err == nil {
				err = w.checkpoint(false)
				w.unlock()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	old := d.logFile.Load()
	allocates.Store(true)
	tries, done := 0, make(chan error, 1)
	go func() { done <- d.largeCall(t.Context(), &tries) }()
	<-inAllocate
	renames.Store(true)
	go func() {
		for i := 0; d.logFile.Load() == old && i < 5000; i++ {
			if err := d.set(fmt.Sprint("fill", i%300), strings.Repeat("w", 2000)); err != nil {
				t.Error(err)
			}
		}
	}()
	<-inRename // the old log is closed
	close(allocate)
	close(rename)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	d.holds(t, 1)
}

// A call is a large write if its segment gets no blocks, for whatever reason.
func TestACallWhoseSegmentGetsNoBlocksIsALargeWrite(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EFBIG, syscall.EDQUOT, syscall.EIO, syscall.EPERM, syscall.ENODEV} {
		t.Run(errno.Error(), func(t *testing.T) {
			g := newGate()
			d := opened(t, storeName(t), hook(g.hook), logBytes(64<<10))
			tries := 0
			if err := d.set("first", 1); err != nil {
				t.Fatal(err)
			}
			g.failing(access.ActAllocateLog, errno)
			if err := d.largeCall(t.Context(), &tries); err != nil {
				t.Error(err)
			}
			d.holds(t, 1)
			if n := d.visible.reserved; n != 0 {
				t.Errorf("%d bytes stay reserved", n)
			}
		})
	}
}
