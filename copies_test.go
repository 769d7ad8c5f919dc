//go:build unix

package extlibs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// move is a batch that moves a token from one key to another.
func move(t *testing.T, h *extlibs.Handle, from, to string) error {
	t.Helper()
	token, err := extlibs.Encode("token")
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Store().ApplyMany(ctx, []extlibs.Op{{Kind: extlibs.OpDelete, Key: from}, {Kind: extlibs.OpSet, Key: to, Value: token}})
	return err
}

// tokens counts the keys of tokens in a copy.
func tokens(t *testing.T, path string) int {
	t.Helper()
	r := newRegistry()
	defer r.Close()
	n, err := mustOpen(t, r, path).Count(ctx, "token*")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// While a checkpoint finds no room, the file holds a part of it, of which only the log
// has the rest.
func TestABackupBesideACheckpointThatFindsNoRoomHoldsWholeBatches(t *testing.T) {
	path, copied := onDisk.storeName(t), filepath.Join(t.TempDir(), "copy.db")
	var h *extlibs.Handle
	var armed, full atomic.Bool
	commits := 0
	r := onDisk.registry(t, extlibs.DiskHook(func(act access.Act, name string) error {
		switch {
		case act == access.ActCreate && strings.HasPrefix(name, ".kv-backup-") && armed.CompareAndSwap(true, false):
			if err := move(t, h, "token a", "token b"); err != nil {
				t.Error(err)
			}
			full.Store(true)
			if err := h.Compact(ctx); !errors.Is(err, extlibs.ErrFull) { // has a checkpoint
				t.Errorf("compact of a full disk: %v", err)
			}
			full.Store(false)
		case act == access.ActCommit && full.Load():
			if commits++; commits != 2 { // the removal finds free pages
				return &fs.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
			}
		}
		return nil
	}))
	h = mustOpen(t, r, path)
	if err := h.Set(ctx, "token a", "token", 0); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	if err := h.BackupFile(ctx, copied); err != nil {
		t.Fatal(err)
	}
	if commits < 3 {
		t.Errorf("%d commits of a full disk", commits)
	}
	if n := tokens(t, copied); n != 1 {
		t.Errorf("the backup has %d tokens", n)
	}
}

// A store that is nearly full, batches, and one backup after another.
func TestEachBackupOfAFullStoreHoldsWholeBatches(t *testing.T) {
	t.Parallel()
	h := mustOpen(t, onDisk.registry(t, extlibs.MaxFileBytes(200<<10), extlibs.LogBytes(1)), onDisk.storeName(t))
	if err := h.Set(ctx, "token 0", "token", 0); err != nil {
		t.Fatal(err)
	}
	n := fillUp(t, h, func(i int) string { return fmt.Sprintf("%05d", i) }, strings.Repeat("v", 300))
	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for i, at := 0, 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			switch err := move(t, h, fmt.Sprint("token ", at), fmt.Sprint("token ", i+1)); {
			case err == nil:
				at = i + 1
			case errors.Is(err, extlibs.ErrFull): // a delete makes room
				h.Delete(ctx, fmt.Sprintf("%05d", i%n))
			default:
				t.Error(err)
				return
			}
			h.Set(ctx, fmt.Sprintf("%05d", i*7%n), strings.Repeat("w", 300), 0)
		}
	})
	backups := 40
	if testing.Short() {
		backups = 8
	}
	for range backups {
		copied := filepath.Join(t.TempDir(), "copy.db")
		if err := h.BackupFile(ctx, copied); err != nil {
			t.Error(err)
		} else if n := tokens(t, copied); n != 1 {
			t.Errorf("a backup has %d tokens", n)
		}
	}
	close(stop)
	wait.Wait()
}

// stopped is a context that stops the caller that checks it for the n-th time, until it may continue.
type stopped struct {
	context.Context
	looks   atomic.Int32
	at      int32
	reached chan struct{}
	goOn    chan struct{}
}

func (s *stopped) Err() error {
	if s.looks.Add(1) == s.at {
		close(s.reached)
		<-s.goOn
	}
	return s.Context.Err()
}

// In the middle of a backup that takes as long as it likes, everything else continues.
func TestNothingWaitsForABackup(t *testing.T) {
	t.Parallel()
	h := mustOpen(t, onDisk.registry(t, extlibs.LogBytes(1)), onDisk.storeName(t))
	value := strings.Repeat("v", 100_000)
	for i := range 20 {
		if err := h.Set(ctx, fmt.Sprint(i), value, 0); err != nil {
			t.Fatal(err)
		}
	}
	middle := &stopped{Context: ctx, at: 20, reached: make(chan struct{}), goOn: make(chan struct{})}
	backup, copied := make(chan error, 1), filepath.Join(t.TempDir(), "copy.db")
	go func() { backup <- h.BackupFile(middle, copied) }()
	<-middle.reached
	others := make(chan error, 1)
	go func() {
		defer close(others)
		for round := range 3 {
			for i := range 60 { // a file that grows to three times its size
				if err := h.Set(ctx, fmt.Sprint("more ", i), value, 0); err != nil {
					others <- err
				}
			}
			if v, err := h.Get(ctx, "7"); v != value || err != nil {
				others <- fmt.Errorf("get: %.20v, %w", v, err)
			}
			if err := h.Compact(ctx); err != nil {
				others <- fmt.Errorf("compact: %w", err)
			}
			if err := h.Backup(ctx, io.Discard); err != nil {
				others <- fmt.Errorf("another backup: %w", err)
			}
			if _, err := h.DeleteMatching(ctx, "more*"); err != nil {
				others <- fmt.Errorf("delete in round %d: %w", round, err)
			}
		}
	}()
	select {
	case err := <-others:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("calls wait for the backup")
	}
	close(middle.goOn)
	if err := <-backup; err != nil {
		t.Fatal(err)
	}
	c := mustOpen(t, onDisk.registry(t), copied)
	if n, err := c.Count(ctx, "*"); n != 20 || err != nil {
		t.Errorf("the backup has %d keys, %v", n, err)
	}
}

// What is too large for the log goes to the file in a transaction. No read sees it
// before the sync that makes it durable has ended, and none has to wait for that.
func TestNoReadSeesALargeWriteBeforeItsSync(t *testing.T) {
	for name, c := range map[string]struct {
		act   access.Act
		times int // how many of them are checked at most
		opts  []extlibs.Option
	}{
		"a transaction": {access.ActSyncMetaPage, 1, []extlibs.Option{extlibs.MaxFileBytes(1 << 30)}},
		"a segment":     {access.ActSyncLog, 100, nil},
	} {
		t.Run(name, func(t *testing.T) { readsBeforeASync(t, c.act, c.times, c.opts...) })
	}
}

func readsBeforeASync(t *testing.T, sync access.Act, times int, opts ...extlibs.Option) {
	var h *extlibs.Handle
	var armed atomic.Bool
	synced := 0
	r := onDisk.registry(t, append(opts, extlibs.LogBytes(1), extlibs.DiskHook(func(act access.Act, _ string) error {
		if act == sync && armed.Load() && synced < times {
			synced++
			if has(t, h, "large") || has(t, h, "many 7") {
				t.Error("a read sees what is not durable")
			}
			if n, err := h.Count(ctx, "*"); n != 1 || err != nil {
				t.Errorf("count: %d, %v", n, err)
			}
			if items, err := h.Items(ctx, extlibs.ListOptions{}); len(items) != 1 || err != nil {
				t.Errorf("items: %d, %v", len(items), err)
			}
		}
		return nil
	}))...)
	h = mustOpen(t, r, onDisk.storeName(t))
	if err := h.Set(ctx, "before", 1, 0); err != nil {
		t.Fatal(err)
	}
	many := map[string]any{"large": strings.Repeat("x", 1<<20)}
	for i := range 100 {
		many[fmt.Sprint("many ", i)] = i
	}
	armed.Store(true)
	if err := h.SetMany(ctx, many, 0); err != nil {
		t.Fatal(err)
	}
	armed.Store(false)
	if !has(t, h, "large") || synced == 0 {
		t.Errorf("after the call it is not there, or %d syncs were checked", synced)
	}
	for i := range 3 { // on with what a read of the commit before has left
		if err := h.Set(ctx, fmt.Sprint("many ", i), strings.Repeat("y", 1<<20), 0); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := h.Count(ctx, "*"); n != 102 || err != nil {
		t.Errorf("count: %d, %v", n, err)
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
