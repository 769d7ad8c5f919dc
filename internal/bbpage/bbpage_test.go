package bbpage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	bolt "go.etcd.io/bbolt"
)

// boltFile writes a file of random content with bbolt, and returns it with its buckets.
func boltFile(t *testing.T, pageSize, keys int) (file []byte, buckets map[string]map[string]string) {
	t.Helper()
	r := kvtest.Rand(t, uint64(pageSize), uint64(keys))
	path := filepath.Join(t.TempDir(), "bolt.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: pageSize, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	buckets = map[string]map[string]string{"a": {}, "b": {}, "empty": {}}
	for range 6 {
		err := db.Update(func(tx *bolt.Tx) error {
			for name, want := range buckets {
				b, err := tx.CreateBucketIfNotExists([]byte(name))
				if err != nil {
					return err
				}
				for range keys {
					if name == "empty" {
						break
					}
					key := fmt.Sprint(r.IntN(keys * 3))
					switch {
					case r.IntN(3) == 0:
						delete(want, key)
						if err := b.Delete([]byte(key)); err != nil {
							return err
						}
						continue
					case r.IntN(50) == 0:
						key += strings.Repeat("k", r.IntN(MaxKeyBytes-len(key)))
					}
					value := strings.Repeat("v", r.IntN(60))
					if r.IntN(50) == 0 {
						value = strings.Repeat("v", r.IntN(5*pageSize))
					}
					want[key] = value
					if err := b.Put([]byte(key), []byte(value)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return file, buckets
}

// walkAll verifies a file, and returns its buckets.
func walkAll(file []byte, lazy bool) (buckets map[string]map[string]string, w *Walk, err error) {
	metas := ReadMetas(bytes.NewReader(file))
	meta, torn, err := metas.Last(int64(len(file)))
	if err != nil || torn {
		return nil, nil, errors.Join(err, fmt.Errorf("torn: %v", torn))
	}
	w = &Walk{Source: FileSource(bytes.NewReader(file), meta.PageSize), PageSize: uint64(meta.PageSize), Pages: meta.Pages, Set: NewSet(), Lazy: lazy}
	if _, err := w.Freelist(meta); err != nil {
		return nil, nil, err
	}
	roots := map[string][]byte{}
	err = w.Buckets(meta.Root, func(_ uint64, name, value []byte) error {
		roots[string(name)] = bytes.Clone(value)
		return nil
	})
	buckets = map[string]map[string]string{}
	for name, value := range roots {
		all := map[string]string{}
		err = errors.Join(err, w.Bucket(meta.Root, value, func(_ uint64, key, value []byte) error {
			all[string(key)] = string(value)
			return nil
		}))
		buckets[name] = all
	}
	if err == nil && !lazy {
		err = w.Unreachable()
	}
	return buckets, w, err
}

// A walk and a tree find in a file what bbolt has put there, whatever its page size.
func TestWhatBboltWritesIsFound(t *testing.T) {
	for _, pageSize := range []int{1024, 4096, 16384} {
		for _, keys := range []int{1, 30, 400} {
			t.Run(fmt.Sprint(pageSize, " ", keys), func(t *testing.T) {
				file, want := boltFile(t, pageSize, keys)
				got, _, err := walkAll(file, false)
				if err != nil {
					t.Fatal(err)
				}
				for name := range want {
					if !maps.Equal(got[name], want[name]) {
						t.Errorf("bucket %s has %d keys, want %d", name, len(got[name]), len(want[name]))
					}
				}
				_, w, err := walkAll(file, true)
				if err != nil {
					t.Fatal(err)
				}
				unread := w.Set.Unread()
				metas := ReadMetas(bytes.NewReader(file))
				meta, _ := metas.Newest()
				m := Map(file[:meta.Size()], pageSize, w.Set)
				if again, ok := m.Meta(meta.Tx); !ok || again != meta {
					t.Errorf("the meta page is %+v, want %+v", again, meta)
				}
				if named, gone := m.Names(meta.Tx, meta.Root); !named || gone {
					t.Error("no meta page names the root")
				}
				roots, err := m.Buckets(meta.Root)
				if err != nil || len(roots) != len(want) {
					t.Fatalf("%d buckets, %v", len(roots), err)
				}
				for name, root := range roots {
					tree := m.Tree(root, nil)
					seen := map[uint64]struct{}{}
					for i := range keys * 3 {
						key := fmt.Sprint(i)
						value, ok := want[name][key]
						if v, err := tree.Get([]byte(key)); string(v) != value || (v != nil) != ok || err != nil {
							t.Fatalf("%s: %q is %.20q, %v, want %.20q", name, key, v, err, value)
						}
						if _, err := tree.VerifyPath([]byte(key), seen); err != nil {
							t.Fatal(err)
						}
					}
					for _, start := range []string{"", "4", "zzz"} {
						var keys []string
						err := tree.Scan([]byte(start), func(key, value []byte) (bool, error) {
							if string(value) != want[name][string(key)] {
								t.Errorf("scan: %.20q is %.20q", key, value)
							}
							keys = append(keys, string(key))
							return true, nil
						})
						all := slices.Sorted(maps.Keys(want[name]))
						first, _ := slices.BinarySearch(all, start)
						if !slices.Equal(keys, all[first:]) || err != nil {
							t.Errorf("scan from %q: %d keys, want %d, %v", start, len(keys), len(all)-first, err)
						}
						keys = nil
						err = tree.ScanReverse([]byte(start), func(key, value []byte) (bool, error) {
							if string(value) != want[name][string(key)] {
								t.Errorf("reverse scan: %.20q is %.20q", key, value)
							}
							keys = append(keys, string(key))
							return true, nil
						})
						if start == "" {
							first = len(all)
						}
						slices.Reverse(keys)
						if !slices.Equal(keys, all[:first]) || err != nil {
							t.Errorf("reverse scan before %q: %d keys, want %d, %v", start, len(keys), first, err)
						}
					}
					all := slices.Sorted(maps.Keys(want[name]))
					for i := range 60 {
						from, to := "", fmt.Sprint(i*keys/20)
						if i%3 > 0 {
							from, to = fmt.Sprint(i*keys/30), []string{"zzz", to}[i%2]
						}
						first, _ := slices.BinarySearch(all, from)
						end, _ := slices.BinarySearch(all, to)
						if n, err := tree.Count([]byte(from), []byte(to)); n != int64(max(0, end-first)) || err != nil {
							t.Errorf("%d keys from %q to %q, want %d, %v", n, from, to, max(0, end-first), err)
						}
					}
					if err := tree.Verify(m.Walk()); err != nil {
						t.Error(err)
					}
				}
				if left := w.Set.Unread(); left != 0 {
					t.Errorf("%d leaves of %d were not verified", left, unread)
				}
			})
		}
	}
}

// A page that two trees lead to, or that is free too, is used twice, lazy or not, and a
// walk that continues visits it once.
func TestAPageIsUsedOnce(t *testing.T) {
	file, _ := boltFile(t, 1024, 400)
	metas := ReadMetas(bytes.NewReader(file))
	meta, _ := metas.Newest()
	found := 0
	for id := 2; id < int(meta.Pages); id++ {
		p := page(file[id*1024:])
		if p.id() != uint64(id) || p.flags() != pageBranch || p.count() < 3 || p.overflow() > 0 {
			continue
		}
		b := bytes.Clone(file)
		p = page(b[id*1024:])
		order.PutUint64(p[pageHeaderBytes+elementBytes+8:], p.child(0))
		_, _, eager := walkAll(b, false)
		_, _, lazy := walkAll(b, true)
		if used := fmt.Sprintf("page %d is used twice", p.child(0)); eager == nil != (lazy == nil) || eager != nil && (!strings.Contains(eager.Error(), used) || !errors.Is(lazy, kverr.Corrupt)) {
			t.Errorf("branch %d: %v, and lazily %v", id, eager, lazy)
		}
		if eager != nil {
			found++
		}
	}
	if found == 0 {
		t.Error("no branch was damaged")
	}
}

func TestMetaPagesOfACopyLeadToOneCommit(t *testing.T) {
	file, _ := boltFile(t, 4096, 30)
	metas := ReadMetas(bytes.NewReader(file))
	last, before := metas.Newest()
	for _, commit := range []Meta{last, before} {
		b, err := BothMetas(bytes.NewReader(file), commit.Tx)
		if err != nil || len(b) != 2*4096 {
			t.Fatal(len(b), err)
		}
		metas := ReadMetas(bytes.NewReader(b))
		one, other := metas.Newest()
		if one != commit || other.Tx != commit.Tx-1 || other.Root != commit.Root || !other.Valid {
			t.Errorf("the meta pages are %+v and %+v, want %+v", one, other, commit)
		}
		if named := page(b[commit.Tx%2*4096:]); named.id() != commit.Tx%2 || order.Uint64(named[64:]) != commit.Tx {
			t.Error("the meta page of the commit is not where bbolt writes it")
		}
	}
	if _, err := BothMetas(bytes.NewReader(file), last.Tx+1); err != ErrNoMeta {
		t.Error(err)
	}
}

func TestMaxKeyBytesIsBbolts(t *testing.T) {
	if MaxKeyBytes != bolt.MaxKeySize {
		t.Errorf("%d, bbolt has %d", MaxKeyBytes, bolt.MaxKeySize)
	}
}
