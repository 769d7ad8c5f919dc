package bbpage

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
	bolt "go.etcd.io/bbolt"
)

// randomEntries returns sorted entries of one of several kinds of lengths.
func randomEntries(r *rand.Rand) (list []entry) {
	keys, values := []int{4, 40, 500, 3000, MaxKeyBytes}[r.IntN(5)], []int{1, 50, 2000, 9000, 60_000}[r.IntN(5)]
	n := []int{0, 1, 2, 5, 60, 3000}[r.IntN(6)]
	n = min(n, 8<<20/(keys+values))
	for range n {
		key := bytes.Repeat([]byte{'k'}, 4+r.IntN(keys-3))
		copy(key, fmt.Sprintf("%04x", r.IntN(1<<16)))
		list = append(list, entry{key: key, value: bytes.Repeat([]byte{'v'}, 1+r.IntN(values))})
	}
	slices.SortFunc(list, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	return slices.CompactFunc(list, func(a, b entry) bool { return bytes.Equal(a.key, b.key) })
}

// bbolt reads the file as its own, finds nothing wrong in it, and changes it.
func TestABuiltFileIsOneOfBbolt(t *testing.T) {
	t.Parallel()
	r := kvtest.Rand(t)
	for round := range kvtest.Sized(20, 100, 20_000) {
		path := filepath.Join(t.TempDir(), "built.db")
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		b := NewBuilder(file, os.Getpagesize(), 90+r.IntN(2)*10)
		want := map[string][]entry{"a": randomEntries(r), "b": randomEntries(r), "c": {{key: []byte("n"), value: []byte("1")}}}
		for _, name := range []string{"a", "b", "c"} {
			err := b.Bucket([]byte(name), func(add func(key, value []byte) error) error {
				for _, e := range want[name] {
					if err := add(e.key, e.value); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		meta, err := b.Finish(uint64(2 + r.IntN(5)))
		if err != nil {
			t.Fatal(err)
		}
		info, err := file.Stat()
		if err != nil || info.Size() != meta.Size() {
			t.Fatalf("round %d: the file has %d bytes of %d, %v", round, info.Size(), meta.Size(), err)
		}
		verifyBuilt(t, file, meta)
		file.Close()
		db, err := bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		for name, list := range want {
			err := db.Update(func(tx *bolt.Tx) error {
				for err := range tx.Check() {
					t.Errorf("round %d: %v", round, err)
				}
				bucket, i := tx.Bucket([]byte(name)), 0
				err := bucket.ForEach(func(key, value []byte) error {
					if i >= len(list) || !bytes.Equal(key, list[i].key) || !bytes.Equal(value, list[i].value) {
						t.Errorf("round %d: entry %d of %q is wrong", round, i, name)
					}
					i++
					return nil
				})
				if i != len(list) || err != nil {
					t.Errorf("round %d: %d entries of %d, %v", round, i, len(list), err)
				}
				for range r.IntN(1 + len(list)) { // bbolt merges pages with their neighbours
					if err := bucket.Delete(list[r.IntN(len(list))].key); err != nil {
						return err
					}
				}
				return bucket.Put([]byte(fmt.Sprint(r.IntN(1000))), []byte("new"))
			})
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		if err := db.View(func(tx *bolt.Tx) error {
			for err := range tx.Check() {
				t.Errorf("round %d, after changes: %v", round, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// verifyBuilt walks a built file, of which no page is free or out of reach.
func verifyBuilt(t *testing.T, file *os.File, want Meta) {
	t.Helper()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	metas := ReadMetas(file)
	meta, torn, err := metas.Last(info.Size())
	if err != nil || torn || meta != want || metas.First.Root != metas.Second.Root {
		t.Fatalf("meta page %+v of %+v, %v, %v", meta, want, torn, err)
	}
	w := &Walk{Source: FileSource(file, meta.PageSize), PageSize: uint64(meta.PageSize), Pages: meta.Pages, Set: NewSet()}
	free, err := w.Freelist(meta)
	if free > 0 || err != nil {
		t.Fatalf("%d pages are free, %v", free, err)
	}
	buckets := map[string][]byte{}
	err = w.Buckets(meta.Root, func(_ uint64, name, value []byte) error {
		buckets[string(name)] = bytes.Clone(value)
		return nil
	})
	for _, value := range buckets {
		if err == nil {
			err = w.Bucket(meta.Root, value, nil)
		}
	}
	if err == nil {
		err = w.Unreachable()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A file that is built from what bbolt has written is not larger.
func TestABuiltFileIsNotLargerThanWhatItWasBuiltFrom(t *testing.T) {
	t.Parallel()
	r := kvtest.Rand(t)
	for round := range kvtest.Sized(10, 60, 10_000) {
		dir := t.TempDir()
		db, err := bolt.Open(filepath.Join(dir, "from.db"), 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		list := randomEntries(r)
		if err := db.Update(func(tx *bolt.Tx) error {
			bucket, err := tx.CreateBucket([]byte("a"))
			for _, i := range r.Perm(len(list)) {
				if err == nil {
					err = bucket.Put(list[i].key, list[i].value)
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		used := uint64(0)
		if err := db.View(func(tx *bolt.Tx) error {
			used = uint64(tx.Size())/uint64(db.Info().PageSize) - uint64(db.Stats().FreePageN+db.Stats().PendingPageN)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		db.Close()
		file, err := os.Create(filepath.Join(dir, "built.db"))
		if err != nil {
			t.Fatal(err)
		}
		b := NewBuilder(file, os.Getpagesize(), 100)
		err = b.Bucket([]byte("a"), func(add func(key, value []byte) error) error {
			for _, e := range list {
				if err := add(e.key, e.value); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			_, err = b.Finish(2)
		}
		file.Close()
		k, v := 0, 0
		for _, e := range list {
			k, v = max(k, len(e.key)), max(v, len(e.value))
		}
		// Some pages more do not matter, and which key gets into the branch is chance.
		chance := 4 + uint64(k/os.Getpagesize())
		if err != nil || b.Pages() > used+used/sharedPages+chance {
			t.Errorf("round %d, %d keys of up to %d bytes, values of up to %d: %d pages, %d before, %v", round, len(list), k, v, b.Pages(), used, err)
		}
	}
}
