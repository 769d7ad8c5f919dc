package extlibs_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

// A waiting caller takes at most 2 KB besides the stack of its goroutine, which is the
// host's, and leaves nothing behind.
func TestWaitingCallersTakeLittleMemory(t *testing.T) {
	h := backends[0].open(t)
	const callers, limit = 10_000, 2 << 10
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	waits, cancel := context.WithCancel(ctx)
	defer cancel()
	keys := make([]string, callers)
	for i := range keys {
		keys[i] = fmt.Sprint("key ", i)
	}
	before := heap()
	ended := make(chan error, callers)
	for i, key := range keys {
		go func() {
			var err error
			switch i % 4 {
			case 0:
				_, err = h.Wait(waits, key)
			case 1:
				_, err = h.WaitChange(waits, key, nil)
			case 2:
				_, err = h.PopFirst(waits, extlibs.PopOptions{Prefix: key, Wait: -1})
			case 3:
				for _, err = range h.Watch(waits, extlibs.WatchOptions{Prefix: key}) {
				}
			}
			ended <- err
		}()
	}
	waiting(t, h, callers)
	if each := (heap() - before) / callers; each > limit {
		t.Errorf("a waiting caller takes %d bytes, limit %d", each, limit)
	} else {
		t.Logf("a waiting caller takes %d bytes", each)
	}
	cancel()
	for range callers {
		if err := <-ended; err == nil {
			t.Error("a wait ended without an error")
		}
	}
	leavesNothing(t, h)
	runtime.KeepAlive(keys)
}
