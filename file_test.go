package extlibs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

func fileBackends() (list []backend) {
	for _, b := range backends {
		if b.persistent {
			list = append(list, b)
		}
	}
	return list
}

func forEachFileBackend(t *testing.T, test func(t *testing.T, b backend)) {
	for _, b := range fileBackends() {
		t.Run(b.name, func(t *testing.T) { test(t, b) })
	}
}

func TestAFileKeepsEverythingUntilItIsOpenedAgain(t *testing.T) {
	t.Parallel()
	forEachFileBackend(t, func(t *testing.T, b backend) {
		clock := newClock()
		path := b.storeName(t)
		values := map[string]any{
			"int": int64(1), "float": 1.0, "tuple": extlibs.Tuple{"a"}, "bytes": []byte{0}, "日本": "é",
			"large": string(bytes.Repeat([]byte("x"), 1<<20)),
		}
		for round := range 3 {
			h := mustOpen(t, b.registry(t, clock.option()), path)
			if round == 0 {
				if err := h.SetMany(ctx, values, 0); err != nil {
					t.Fatal(err)
				}
				if err := h.Set(ctx, "mortal", 1, time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			got, err := h.GetMany(ctx, []string{"int", "float", "tuple", "bytes", "日本", "large"})
			if err != nil || canonical(got) != canonical(values) {
				t.Errorf("round %d: GetMany is %.300s, %v", round, canonical(got), err)
			}
			if left, err := h.TTL(ctx, "mortal"); err != nil || left != time.Hour-time.Duration(round)*time.Minute {
				t.Errorf("round %d: %v left, %v", round, left, err)
			}
			if n, err := h.Store().Len(ctx); n != len(values)+1 || err != nil {
				t.Errorf("round %d: Len is %d, %v", round, n, err)
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			clock.Advance(time.Minute)
		}
	})
}

// It reads a copy of the two files as they are while the store is open, which is
// what a crash leaves.
func TestTheFileHoldsAWriteThatReturned(t *testing.T) {
	t.Parallel()
	b := backend{name: "bolt", persistent: true}
	path := b.storeName(t)
	h := mustOpen(t, b.registry(t, extlibs.LogBytes(1)), path)
	for i := range 20 {
		if err := h.Set(ctx, fmt.Sprint(i), i, 0); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		log, err := os.ReadFile(path + "-log")
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "copy.db")
		if err := errors.Join(os.WriteFile(copied, data, 0o600), os.WriteFile(copied+"-log", log, 0o600)); err != nil {
			t.Fatal(err)
		}
		c := mustOpen(t, b.registry(t), copied)
		if v, err := c.Get(ctx, fmt.Sprint(i)); v != int64(i) || err != nil {
			t.Errorf("the copy holds %v, %v; want %d", v, err, i)
		}
	}
}

func TestExpiryGoesOnWhileTheFileIsClosed(t *testing.T) {
	t.Parallel()
	forEachFileBackend(t, func(t *testing.T, b backend) {
		clock := newClock()
		path := b.storeName(t)
		h := mustOpen(t, b.registry(t, clock.option()), path)
		for key, ttl := range map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "forever": 0} {
			if err := h.Set(ctx, key, 1, ttl); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		clock.Advance(30 * time.Minute)
		h = mustOpen(t, b.registry(t, clock.option()), path)
		wantAgreement(t, h, map[string]time.Duration{"hour": 30 * time.Minute, "forever": 0}, "minute")
	})
}

// wantAgreement checks that all calls see the same keys, with the time they have
// left, and none of the gone ones.
func wantAgreement(t *testing.T, h *extlibs.Handle, live map[string]time.Duration, gone ...string) {
	t.Helper()
	for key, want := range live {
		if left, err := h.TTL(ctx, key); err != nil || left != want {
			t.Errorf("ttl of %s is %v, %v; want %v", key, left, err, want)
		}
		if ok, err := h.Exists(ctx, key); !ok || err != nil {
			t.Errorf("exists of %s is %v, %v", key, ok, err)
		}
		if ok, err := h.Add(ctx, key, 2, 0); ok || err != nil {
			t.Errorf("add of %s is %v, %v", key, ok, err)
		}
	}
	for _, key := range gone {
		if _, err := h.Get(ctx, key); !errors.Is(err, extlibs.ErrNotFound) {
			t.Errorf("get of %s: %v", key, err)
		}
		if ok, err := h.Exists(ctx, key); ok || err != nil {
			t.Errorf("exists of %s is %v, %v", key, ok, err)
		}
		if ok, err := h.Expire(ctx, key, time.Hour); ok || err != nil {
			t.Errorf("expire of %s is %v, %v", key, ok, err)
		}
	}
	if keys, err := h.Keys(ctx, extlibs.ListOptions{}); err != nil || len(keys) != len(live) {
		t.Errorf("keys are %q, %v; want %d", keys, err, len(live))
	}
	if n, err := h.Count(ctx, "*"); err != nil || n != len(live) {
		t.Errorf("count is %d, %v; want %d", n, err, len(live))
	}
	if n, err := h.Count(ctx, "?*"); err != nil || n != len(live) {
		t.Errorf("count of a pattern is %d, %v; want %d", n, err, len(live))
	}
	for _, key := range gone {
		if n, err := h.Incr(ctx, key, 5, 0); n != 5 || err != nil {
			t.Errorf("incr of %s is %d, %v", key, n, err)
		}
		if _, err := h.Delete(ctx, key); err != nil {
			t.Error(err)
		}
	}
}

func TestAJumpOfTheClockMovesAllCallsAlike(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		clock := newClock()
		name := b.storeName(t)
		r := b.registry(t, clock.option())
		set := func(h *extlibs.Handle) {
			for key, ttl := range map[string]time.Duration{"a": time.Minute, "b": 2 * time.Hour, "c": 0} {
				if err := h.Set(ctx, key, 1, ttl); err != nil {
					t.Fatal(err)
				}
			}
		}
		h := mustOpen(t, r, name)
		set(h)
		clock.Advance(-time.Hour)
		wantAgreement(t, h, map[string]time.Duration{"a": time.Hour + time.Minute, "b": 3 * time.Hour, "c": 0})
		clock.Advance(time.Hour)
		wantAgreement(t, h, map[string]time.Duration{"a": time.Minute, "b": 2 * time.Hour, "c": 0})
		clock.Advance(time.Hour)
		wantAgreement(t, h, map[string]time.Duration{"b": time.Hour, "c": 0}, "a")
		clock.Advance(10 * 365 * 24 * time.Hour)
		wantAgreement(t, h, map[string]time.Duration{"c": 0}, "a", "b")
		set(h)
		if b.persistent {
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			clock.Advance(-time.Hour)
			h = mustOpen(t, r, name)
			wantAgreement(t, h, map[string]time.Duration{"a": time.Hour + time.Minute, "b": 3 * time.Hour, "c": 0})
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			clock.Advance(10 * 365 * 24 * time.Hour)
			h = mustOpen(t, r, name)
		} else {
			clock.Advance(10 * 365 * 24 * time.Hour)
		}
		wantAgreement(t, h, map[string]time.Duration{"c": 0}, "a", "b")
	})
}

func TestMaxFileBytesIsErrFullAndReadsGoOn(t *testing.T) {
	t.Parallel()
	forEachFileBackend(t, func(t *testing.T, b backend) {
		if b.pending {
			t.Skip("writes no file until it is closed")
		}
		h := b.open(t, extlibs.MaxFileBytes(1<<20))
		value := string(bytes.Repeat([]byte("x"), 10_000))
		stored := 0
		var err error
		for ; stored < 1000; stored++ {
			if err = h.Set(ctx, fmt.Sprintf("%04d", stored), value, 0); err != nil {
				break
			}
		}
		if !errors.Is(err, extlibs.ErrFull) || stored < 10 {
			t.Fatalf("after %d values: %v, want ErrFull", stored, err)
		}
		if v, err := h.Get(ctx, "0000"); v != value || err != nil {
			t.Errorf("Get: %.20v, %v", v, err)
		}
		if n, err := h.Store().Len(ctx); n != stored || err != nil {
			t.Errorf("Len is %d, %v; want %d", n, err, stored)
		}
		if s := statsOf(t, h); s.Bytes > 1<<20 {
			t.Errorf("the file has %d bytes", s.Bytes)
		}
		for i := range stored {
			if _, err := h.Delete(ctx, fmt.Sprintf("%04d", i)); err != nil {
				t.Fatalf("delete %d in a full file: %v", i, err)
			}
		}
		if err := h.Set(ctx, "new", value, 0); err != nil {
			t.Errorf("set after deletes: %v", err)
		}
	})
}

func TestAFileIsOpenedAndClosedAThousandTimes(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	b := fileBackends()[0]
	path := b.storeName(t)
	r := b.registry(t)
	descriptors := func() int {
		entries, _ := os.ReadDir("/proc/self/fd")
		return len(entries)
	}
	before := 0
	for i := range rounds {
		h := mustOpen(t, r, path)
		if i%(rounds/10) == 0 {
			if _, err := h.Incr(ctx, "rounds", 1, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			before = descriptors()
		}
	}
	if after := descriptors(); after > before {
		t.Errorf("%d files are open, %d were", after, before)
	}
	if v, err := mustOpen(t, r, path).Get(ctx, "rounds"); v != int64(10) || err != nil {
		t.Errorf("Get is %v, %v", v, err)
	}
}
