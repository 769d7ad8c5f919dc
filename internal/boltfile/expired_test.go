package boltfile

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// However often expired entries are counted, each is visited once for a commit, and again
// only where the clock is set back.
func TestCountsOfExpiredEntriesVisitEachOnce(t *testing.T) {
	const keys = 5000
	m := &modelFile{t: t, r: kvtest.Rand(t), path: filepath.Join(t.TempDir(), "kv.db"), now: time.Unix(1_700_000_000, 0)}
	m.open()
	defer m.Close()
	start := m.now
	err := m.Update(func(tx *Tx) error {
		for i := range keys {
			if err := tx.SetState(fmt.Sprintf("key %06d", i*7919%keys), State{Exists: true, Deadline: start.UnixNano() + int64(i/2), Value: "v"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	count := func(at int64) {
		t.Helper()
		m.now = start.Add(time.Duration(at))
		err := m.View(func(tx *Tx) error {
			want := min(max(0, 2*(at+1)), keys)
			if n, err := tx.Expired(); n != want || err != nil {
				t.Fatalf("at %d: %d expired, want %d, %v", at, n, want, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	walked := func() int64 { return m.pages.roots.Load().expired.walked }
	count(-1)
	for at := range int64(1000) {
		count(at)
		count(at)
	}
	count(keys)
	for range 1000 {
		count(keys + m.r.Int64N(100))
	}
	if n := walked(); n != keys {
		t.Errorf("%d counts visited %d entries, want %d", 3000, n, keys)
	}
	count(keys/2 - 101)
	count(keys)
	if n := walked(); n != keys+400 {
		t.Errorf("%d entries were visited in all, want %d", n, keys+400)
	}
	if err := m.Update(func(tx *Tx) error { return tx.Remove(fmt.Sprintf("key %06d", 0), start.UnixNano()) }); err != nil {
		t.Fatal(err)
	}
	err = m.View(func(tx *Tx) error {
		if n, err := tx.Expired(); n != keys-1 || err != nil {
			t.Errorf("%d expired after a removal, %v", n, err)
		}
		return nil
	})
	if n := walked(); err != nil || n != keys-1 {
		t.Errorf("%d entries of the new commit were visited, %v", n, err)
	}
}
