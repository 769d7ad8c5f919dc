//go:build unix

package extlibs_test

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

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
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
func fillUp(t *testing.T, h *extlibs.Handle, key func(int) string, value string) (n int) {
	t.Helper()
	for ; n < 1_000_000; n++ {
		switch err := h.Set(ctx, key(n), value, 0); {
		case errors.Is(err, extlibs.ErrFull):
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
	hook  access.Hook // made anew for each store
	key   int         // bytes of a key
	value int
	opts  []extlibs.Option
}

func fullStores() (list []full) {
	interval := []extlibs.Option{extlibs.Durability(extlibs.Interval(time.Hour))}
	for _, limit := range []int64{80 << 10, 300_000, 1 << 20} {
		for _, value := range []int{1, 30, 690, 3000, 40_000} {
			if int64(value)*8 > limit || value == 1 && limit > 300_000 {
				continue
			}
			list = append(list, full{name: "interval", limit: limit, value: value, opts: interval})
			switch {
			case value >= 690 && limit < 1<<20:
				list = append(list, full{name: "no log", limit: limit, value: value, hook: noLog})
			case value >= 30 && limit < 1<<20:
				list = append(list, full{name: "small log", limit: limit, value: value, opts: append(interval, extlibs.LogBytes(1))})
			}
		}
	}
	for _, key := range []int{100, 2000, 32 << 10} {
		list = append(list, full{name: "long keys", limit: min(int64(key)<<15, 4<<20), key: key, value: 1, opts: interval})
	}
	for _, value := range []int{300, 3000} {
		list = append(list,
			full{name: "full disk", hook: fullDisk(5), value: value, opts: interval},
			full{name: "full disk and no log", hook: func(act access.Act, name string) error { return noLog(act, name) }, value: value})
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
			if testing.Short() && random.IntN(16) > 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s limit %d key %d value %d/%s", f.name, f.limit, f.key, f.value, how), func(t *testing.T) {
				t.Parallel()
				path := onDisk.storeName(t)
				opts := f.opts[:len(f.opts):len(f.opts)]
				if f.limit > 0 {
					opts = append(opts, extlibs.MaxFileBytes(f.limit))
				}
				hook := f.hook
				if f.name == "full disk" {
					hook = fullDisk(5)
				}
				if f.name == "full disk and no log" {
					disk := fullDisk(5)
					hook = func(act access.Act, name string) error { return errors.Join(noLog(act, name), disk(act, name)) }
				}
				if hook != nil {
					opts = append(opts, extlibs.DiskHook(hook))
				}
				r := newRegistry(opts...)
				h := mustOpen(t, r, path)
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
					if err := r.Close(); err != nil {
						t.Errorf("close of a full store: %v", err)
					}
					r = newRegistry(opts...)
					h = mustOpen(t, r, path)
				}
				remove := func(i int) {
					if there, err := h.Delete(ctx, key(i)); err != nil || !there {
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
					if err := h.Clear(ctx); err != nil {
						t.Fatalf("clear: %v", err)
					}
				}
				if c, err := h.Count(ctx, "*"); c != 0 || err != nil {
					t.Fatalf("%d keys are left, %v", c, err)
				}
				for i := range (n + 1) / 2 {
					if err := h.Set(ctx, key(i), value, 0); err != nil {
						t.Fatalf("set %d of %d when there is room again: %v", i, n, err)
					}
				}
				reopen()
				if c, err := h.Count(ctx, "*"); c != (n+1)/2 || err != nil {
					t.Errorf("%d keys of %d, %v", c, (n+1)/2, err)
				}
				if err := r.Close(); err != nil {
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
