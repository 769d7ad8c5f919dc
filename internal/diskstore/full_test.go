//go:build unix

package diskstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// fullDisk lets a file grow n times.
func fullDisk(n int64) access.Hook {
	var grown atomic.Int64
	return func(act access.Act, name string) error {
		if act == access.ActAllocate && grown.Add(1) > n {
			return &fs.PathError{Op: "fallocate", Path: name, Err: syscall.ENOSPC}
		}
		return nil
	}
}

// fillUp stores values until the store is full, and returns how many fitted.
func fillUp(t *testing.T, h db, key func(int) string, value string) (n int) {
	t.Helper()
	for ; n < 1_000_000; n++ {
		switch err := h.set(key(n), value); {
		case errors.Is(err, kverr.Full):
			return n
		case err != nil:
			t.Fatalf("set %d: %v", n, err)
		}
	}
	t.Fatal("the store is never full")
	return n
}

// full describes how a store becomes full, and what is stored in it.
type full struct {
	name  string
	limit int64       // 0: the disk is full
	hook  access.Hook // a new one for each store
	key   int         // bytes of a key
	value int
	opts  []option
}

func fullStores() (list []full) {
	hourly := []option{interval(time.Hour), logBytes(8 << 20)} // the log that hosts get
	for _, limit := range []int64{80 << 10, 300_000, 1 << 20} {
		for _, value := range []int{1, 30, 690, 3000, 40_000} {
			if int64(value)*8 > limit || value == 1 && limit > 300_000 {
				continue
			}
			list = append(list, full{name: "interval", limit: limit, value: value, opts: hourly})
			switch {
			case value >= 690 && limit < 1<<20:
				list = append(list, full{name: "no log", limit: limit, value: value, hook: noLogHook})
			case value >= 30 && limit < 1<<20:
				list = append(list, full{name: "small log", limit: limit, value: value, opts: append(hourly, logBytes(1))})
			}
		}
	}
	for _, key := range []int{100, 2000, 32 << 10} {
		list = append(list, full{name: "long keys", limit: min(int64(key)<<15, 4<<20), key: key, value: 1, opts: hourly})
	}
	for _, value := range []int{300, 3000} {
		list = append(list,
			full{name: "full disk", hook: fullDisk(5), value: value, opts: hourly},
			full{name: "full disk and no log", hook: func(act access.Act, name string) error { return noLogHook(act, name) }, value: value})
	}
	return list
}

// Whatever fills a store, its keys can be deleted one by one or all at once, before and
// after it was closed, and then there is room again.
func TestAFullStoreTakesDeletesAndClearAndThenSetsAgain(t *testing.T) {
	t.Parallel()
	random := kvtest.Rand(t)
	for _, f := range fullStores() {
		for _, how := range []string{"delete", "delete backwards", "delete after reopening", "clear", "clear after deletes", "clear after reopening"} {
			if random.IntN(kvtest.Sized(16, 2, 1)) > 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s limit %d key %d value %d/%s", f.name, f.limit, f.key, f.value, how), func(t *testing.T) {
				t.Parallel()
				path := storeName(t)
				opts := f.opts[:len(f.opts):len(f.opts)]
				if f.limit > 0 {
					opts = append(opts, maxBytes(f.limit))
				}
				refuse := f.hook
				if f.name == "full disk" {
					refuse = fullDisk(5)
				}
				if f.name == "full disk and no log" {
					disk := fullDisk(5)
					refuse = func(act access.Act, name string) error { return errors.Join(noLogHook(act, name), disk(act, name)) }
				}
				if refuse != nil {
					opts = append(opts, hook(refuse))
				}
				h := mustOpen(t, path, opts...)
				key := func(i int) string {
					k := fmt.Sprintf("k%07d", i*7919%1_000_000) // in no order
					return k + strings.Repeat("x", max(f.key-len(k), 0))
				}
				value := strings.Repeat("v", f.value)
				n := fillUp(t, h, key, value)
				if n < 1 {
					t.Fatalf("%d keys fitted", n)
				}
				reopen := func() {
					if err := h.Close(); err != nil {
						t.Errorf("close of a full store: %v", err)
					}
					h = mustOpen(t, path, opts...)
				}
				remove := func(i int) {
					if there, err := h.remove(key(i)); err != nil || !there {
						t.Fatalf("delete %d of %d: %v, %v", i, n, there, err)
					}
				}
				switch how {
				case "delete after reopening", "clear after reopening":
					reopen()
				case "clear after deletes":
					for i := 0; i < n/2; i += 3 {
						remove(i)
					}
				}
				switch how {
				case "delete backwards":
					for i := n - 1; i >= 0; i-- {
						remove(i)
					}
				case "delete", "delete after reopening":
					for i := range n {
						remove(i)
					}
				default:
					if err := h.clear(); err != nil {
						t.Fatalf("clear: %v", err)
					}
				}
				if c, err := h.count(); c != 0 || err != nil {
					t.Fatalf("%d keys are left, %v", c, err)
				}
				for i := range (n + 1) / 2 {
					if err := h.set(key(i), value); err != nil {
						t.Fatalf("set %d of %d when there is room again: %v", i, n, err)
					}
				}
				reopen()
				if c, err := h.count(); c != (n+1)/2 || err != nil {
					t.Errorf("%d keys of %d, %v", c, (n+1)/2, err)
				}
				if err := h.Close(); err != nil {
					t.Error(err)
				}
				if info, err := os.Stat(path); err != nil || f.limit > 0 && info.Size() > f.limit {
					t.Errorf("the file has %d bytes: %v", info.Size(), err)
				}
				if left, _ := filepath.Glob(path + "-*"); left != nil {
					t.Errorf("left: %v", left)
				}
			})
		}
	}
}
