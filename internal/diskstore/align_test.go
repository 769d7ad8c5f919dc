package diskstore

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
	bolt "go.etcd.io/bbolt"
)

// While each write also writes the other meta page under the engine, reads see whole commits in
// their order, copies are whole, and the engine reuses no page that either of them needs. With a
// log, that is so for large writes.
func TestReadsAndCopiesBesideWritesOfTheOtherMetaPage(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]option{"without a log": {hook(noLogHook)}, "large writes": {logBytes(minLogBytes)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := kvtest.Rand(t)
			path := storeName(t)
			d := mustOpen(t, path, opts...)
			var written atomic.Int64 // the greatest number that is stored
			check := func(d db, least int64) {
				text, err := d.get("number")
				n := int64(0)
				fmt.Sscan(text, &n)
				if err != nil || n < least {
					t.Errorf("after %d is read: %d, %v", least, n, err)
				}
			}
			must := func(err error) {
				if err != nil {
					t.Error(err)
				}
			}
			must(d.set("number", strings.Repeat(" ", minLogBytes)+"0"))
			stop := make(chan struct{})
			var others sync.WaitGroup
			for range 3 {
				others.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							check(d, written.Load())
							if n, err := d.count(); err != nil || n == 0 {
								t.Errorf("%d keys, %v", n, err)
							}
						}
					}
				})
			}
			others.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
						least, to := written.Load(), storeName(t)
						must(d.backup(to))
						copied := mustOpen(t, to)
						check(copied, least)
						must(copied.Close())
						if n%3 == 0 {
							must(d.Compact(t.Context()))
						}
					}
				}
			})
			for n := range kvtest.Sized(60, 200, 2000) {
				must(d.set("number", strings.Repeat(" ", minLogBytes)+fmt.Sprint(n+1)))
				written.Store(int64(n + 1))
				must(d.set(fmt.Sprint(random.IntN(50)), strings.Repeat("v", 1+random.IntN(8000))))
			}
			close(stop)
			others.Wait()
			must(d.Close())
			engine, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer engine.Close()
			must(engine.View(func(tx *bolt.Tx) error {
				for err := range tx.Check() {
					t.Error(err)
				}
				return nil
			}))
		})
	}
}
