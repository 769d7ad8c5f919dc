package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/bbpage"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	bolt "go.etcd.io/bbolt"
)

// A tree whose root was replaced by a page below it is whole, but lacks the keys of the other
// pages. Its leaves need not be read to find that out.
func TestALargeFileWhoseTreeLacksAPartIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ keys, value int }{{20, 500}, {5000, 100}, {40, 9000}, {2000, 5000}} {
		path := t.TempDir() + "/app.db"
		f, err := openTest(t, t.Context(), path, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Update(func(tx *Tx) error {
			for i := range c.keys {
				if err := tx.SetState(fmt.Sprintf("key%06d", i), State{Exists: true, Value: strings.Repeat("v", c.value)}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		root := uint64(0)
		if err := f.View(func(tx *Tx) error { root = tx.snap.roots.data.ID; return nil }); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verifyPath(t, path, 0); err != nil {
			t.Fatalf("%+v: an undamaged file: %v", c, err)
		}
		size := uint64(os.Getpagesize())
		at := file[root*size:]
		child := binary.NativeEndian.Uint64(at[16+8:]) // of the first element
		copy(at[:size], file[child*size:][:size])
		binary.NativeEndian.PutUint64(at, root)
		binary.NativeEndian.PutUint32(at[12:], 0) // a leaf with overflow pages does not fit
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := verifyPath(t, path, 0); !errors.Is(err, kverr.Corrupt) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// verifyPath verifies a file as opening does, whose leaves are read up to a size.
func verifyPath(t *testing.T, path string, limit int64) (bbpage.Meta, error) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	v, err := verifyFile(t.Context(), file, limit)
	return v.meta, err
}

// A file that bbolt or this package wrote is not refused, whatever is in it and whatever was
// removed from it.
func TestAnUndamagedLargeFileIsNotRefused(t *testing.T) {
	t.Parallel()
	random := kvtest.Rand(t)
	for range kvtest.Sized(5, 30, 5000) {
		seed := random.Uint64()
		r := rand.New(rand.NewPCG(seed, 1))
		path := t.TempDir() + "/app.db"
		what := fmt.Sprintf("seed %d", seed)
		verify := func(when string) {
			t.Helper()
			if _, err := verifyPath(t, path, 0); err != nil {
				t.Fatalf("%s, %s: %v", what, when, err)
			}
			if _, err := verifyPath(t, path, math.MaxInt64); err != nil {
				t.Fatalf("%s, %s, all of it: %v", what, when, err)
			}
		}
		if r.IntN(2) == 0 { // as raw bbolt
			pageSize := 1024 << r.IntN(5)
			what += fmt.Sprintf(", raw, pages of %d bytes", pageSize)
			db, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: pageSize, FreelistType: []bolt.FreelistType{bolt.FreelistArrayType, bolt.FreelistMapType}[r.IntN(2)]})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := layOut(db); err != nil {
				t.Fatal(err)
			}
			for range 1 + r.IntN(6) {
				err := db.Update(func(tx *bolt.Tx) error {
					data := tx.Bucket(bucketData)
					data.FillPercent = 0.1 + 0.9*r.Float64()
					for key, value := range randomEntries(r) {
						if value == "" {
							data.Delete([]byte(key))
						} else if err := data.Put([]byte(key), appendRecord(nil, key, 0, value)); err != nil {
							return err
						}
					}
					return setMetaNumber(tx.Bucket(bucketMeta), metaCount, uint64(tx.Bucket(bucketData).Stats().KeyN))
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			// The count of Stats lacks what the transaction has not written yet.
			err = db.Update(func(tx *bolt.Tx) error {
				return setMetaNumber(tx.Bucket(bucketMeta), metaCount, uint64(tx.Bucket(bucketData).Stats().KeyN))
			})
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			verify("from bbolt")
			if pageSize != os.Getpagesize() && r.IntN(2) == 0 {
				continue
			}
		}
		for range 1 + r.IntN(4) {
			f, err := openTest(t, t.Context(), path, time.Second)
			if err != nil {
				t.Fatal(what, err)
			}
			for range r.IntN(6) {
				if r.IntN(8) == 0 {
					err = f.Update((*Tx).Clear)
				} else {
					err = f.Update(func(tx *Tx) error {
						for key, value := range randomEntries(r) {
							s := State{Exists: value != "", Value: value}
							if s.Exists && r.IntN(3) == 0 {
								s.Deadline = 1 + r.Int64N(math.MaxInt64)
							}
							if err := tx.SetState(key, s); err != nil {
								return err
							}
						}
						return nil
					})
				}
				if err != nil && err != ErrUnchanged {
					t.Fatal(what, err)
				}
			}
			how := "written"
			switch r.IntN(4) {
			case 0:
				how, err = "compacted", f.Compact()
			case 1:
				how = "defragmented"
				_, err = f.Defragment(math.MaxInt64)
			default:
				err = nil
			}
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(what, how, err)
			}
			verify(how)
		}
	}
}

// randomEntries returns entries of one of several magnitudes, or removes such ones, in
// their order or in none.
func randomEntries(r *rand.Rand) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		longKey, longValue := 1<<r.IntN(14), 1<<r.IntN(18)
		remove, ordered, keys := r.IntN(3), r.IntN(2) == 0, 1+r.IntN(2000)
		for i := range min(keys, 1+4_000_000/(longKey+longValue)) {
			n := r.IntN(keys)
			if ordered {
				n = i
			}
			value := ""
			if r.IntN(3) >= remove {
				value = strings.Repeat("v", 1+r.IntN(longValue))
			}
			if !yield(fmt.Sprintf("%04d%s", n, strings.Repeat("k", n%longKey)), value) {
				return
			}
		}
	}
}
