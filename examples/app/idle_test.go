package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// Workers that have nothing to do read nothing, however many jobs are done: they wait, and
// look again when a lease can have run out.
func TestAnIdleServiceDoesNotRead(t *testing.T) {
	const done, lease, leases, readsOfLook = 50_000, 60, 10, 5
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a, err := newApp(config{
			store: filepath.Join(dir, "app.db"), backups: filepath.Join(dir, "backups"),
			workers: workers, lease: lease, logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := a.registry.Close(); err != nil {
				t.Error(err)
			}
		}()
		jobs := map[string]any{}
		for i := range done {
			jobs[fmt.Sprintf("job:%012d", i)] = map[string]any{"user": "ann", "state": "done", "result": 5}
		}
		h := a.registry.Default()
		if err := h.SetMany(t.Context(), jobs, 0); err != nil {
			t.Fatal(err)
		}
		reads := func() int64 {
			t.Helper()
			s, err := h.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return s.Hits + s.Misses
		}
		time.Sleep(time.Second)
		synctest.Wait()
		before := reads()
		time.Sleep((lease - 5) * time.Second)
		synctest.Wait()
		if n := reads() - before; n != 0 {
			t.Errorf("%d reads in %d idle seconds", n, lease-5)
		}
		time.Sleep(leases * lease * time.Second)
		synctest.Wait()
		if n := reads() - before; n > leases*workers*readsOfLook || n == 0 {
			t.Errorf("%d reads after %d leases, want some, and at most %d", n, leases, leases*workers*readsOfLook)
		}
	})
}
