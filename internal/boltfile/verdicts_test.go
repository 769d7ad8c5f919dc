package boltfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

var updateVerdicts = flag.Bool("update", false, "write testdata/verdicts.txt")

var verdictTime = time.Unix(1_700_000_000, 0)

const (
	verdictPageSize = 1024 // small pages make deep trees of few keys
	verdictKeys     = 60
)

// verdictFile returns a file with branches, overflow pages, deadlines and free pages, and
// its keys.
func verdictFile(t *testing.T) (file []byte, keys []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kv.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: verdictPageSize, FreelistType: bolt.FreelistArrayType})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := layOut(db); err != nil {
		t.Fatal(err)
	}
	// One bucket per transaction: bbolt writes them in a random order.
	update := func(name []byte, change func(b *bolt.Bucket) error) {
		t.Helper()
		if err := db.Update(func(tx *bolt.Tx) error { return change(tx.Bucket(name)) }); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 3 {
		var data, expiry [][2][]byte // nil: remove
		for i := range verdictKeys {
			key, n, deadline := fmt.Sprintf("key %03d", i), 10+i%30, int64(0)
			switch {
			case i == 20:
				n = 3000
			case i == 30:
				key += strings.Repeat("k", 1500)
			}
			if i%3 == 0 {
				deadline = verdictTime.UnixNano() + int64(i-30)
			}
			record := appendRecord(nil, key, deadline, strings.Repeat("v", n))
			k, v := expiryEntry(deadline, key)
			if v == nil {
				v = []byte{}
			}
			if round == 2 && i%10 == 9 {
				record, v = nil, nil
			} else if round == 2 {
				keys = append(keys, key)
			}
			data = append(data, [2][]byte{[]byte(key), record})
			if deadline != 0 {
				expiry = append(expiry, [2][]byte{k, v})
			}
		}
		change := func(entries [][2][]byte) func(*bolt.Bucket) error {
			return func(b *bolt.Bucket) (err error) {
				for _, e := range entries {
					if e[1] == nil {
						err = errors.Join(err, b.Delete(e[0]))
					} else {
						err = errors.Join(err, b.Put(e[0], e[1]))
					}
				}
				return err
			}
		}
		update(bucketData, change(data))
		update(bucketExpiry, change(expiry))
	}
	for range 2 { // so that the commit before the last one is whole too
		update(bucketMeta, func(b *bolt.Bucket) error { return setMetaNumber(b, metaCount, uint64(len(keys))) })
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return file, keys
}

// mutate calls try for copies of a file with one thing in it made wrong: a field of a page,
// an entry, or the place of a page.
func mutate(file []byte, try func(what string, mutant []byte)) {
	order := binary.NativeEndian
	pages := len(file) / verdictPageSize
	at := func(b []byte, id int) []byte { return b[id*verdictPageSize : (id+1)*verdictPageSize] }
	change := func(what string, change func(b []byte)) {
		b := bytes.Clone(file)
		if change(b); !bytes.Equal(b, file) {
			try(what, b)
		}
	}
	try("nothing", file)
	for _, n := range []int{1, 100, 1024, 2048, 10_000, len(file) / 2} {
		try(fmt.Sprint("cut at ", n), file[:n])
	}
	meta := func(b []byte, id int) []byte { return at(b, id)[16:80] }
	for id := range 2 {
		change(fmt.Sprint("meta ", id, " torn"), func(b []byte) { meta(b, id)[50] ^= 1 })
		change(fmt.Sprint("meta ", id, " zero"), func(b []byte) { clear(at(b, id)) })
		for name, field := range map[string]int{"root": 16, "freelist": 32, "pages": 40, "tx": 48} {
			for _, add := range []uint64{1, math.MaxUint64} {
				change(fmt.Sprintf("meta %d %s%+d", id, name, int64(add)), func(b []byte) {
					m := meta(b, id)
					order.PutUint64(m[field:], order.Uint64(m[field:])+add)
					sum := fnv.New64a()
					sum.Write(m[:56])
					order.PutUint64(m[56:], sum.Sum64())
				})
			}
		}
	}
	for id := 2; id < pages; id++ {
		page := at(file, id)
		if order.Uint64(page) != uint64(id) {
			continue // an overflow page, or one that was never used
		}
		n := int(order.Uint16(page[10:]))
		what := fmt.Sprintf("page %d (%#x) ", id, order.Uint16(page[8:]))
		for name, flip := range map[string]int{"id": 0, "flags": 8, "count": 10, "overflow": 12} {
			change(what+name, func(b []byte) { at(b, id)[flip] ^= 1 })
		}
		for _, i := range []int{0, n / 2, n - 1} {
			for field := range 4 { // position, sizes, flags or child
				if e := 16 + 16*i + 4*field; n > 0 && e < verdictPageSize && (field == 0 || i != n/2) {
					change(fmt.Sprint(what, "entry ", i, " field ", field), func(b []byte) { at(b, id)[e] ^= 1 })
				}
			}
		}
		change(what+"last byte of an entry", func(b []byte) {
			if last := bytes.TrimRight(at(b, id), "\x00"); len(last) > 16 {
				last[len(last)-1] ^= 1
			}
		})
		change(what+"zero", func(b []byte) { clear(at(b, id)) })
		if id > 2 {
			change(what+"is a copy of the page before", func(b []byte) {
				copy(at(b, id), at(b, id-1))
				order.PutUint64(at(b, id), uint64(id))
			})
			change(what+"is swapped with the page before", func(b []byte) {
				copy(at(b, id), at(file, id-1))
				copy(at(b, id-1), page)
			})
		}
	}
}

// verdict says what opening a file, reads of one whose leaves are verified later, check
// and salvage make of it.
func verdict(t *testing.T, path string, keys []string) string {
	t.Helper()
	var say []string
	first := "" // error
	text := func(err error) string {
		if err == nil {
			return "ok"
		}
		if !errors.Is(err, kverr.Corrupt) && !errors.Is(err, kverr.Format) {
			t.Errorf("an error of the wrong kind: %v", err)
		}
		var all []string
		for line := range strings.Lines(err.Error()) {
			line, _, _ = strings.Cut(strings.TrimPrefix(line, "the file is damaged: "), "; ")
			if !slices.Contains(all, line) {
				all = append(all, line)
			}
		}
		s := strings.Join(all, ", ")
		if s == first {
			return "the same"
		}
		if first == "" {
			first = s
		}
		return s
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	found, err := verifyTorn(context.Background(), f, math.MaxInt64)
	f.Close()
	say = append(say, fmt.Sprint("verify: ", text(err)))
	if err == nil && found.torn {
		say = append(say, "torn")
	}

	d, err := OpenDamaged(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	salvaged := fnv.New32a()
	n := 0
	r, err := d.Check(context.Background(), func(r Record) error {
		n++
		fmt.Fprintf(salvaged, "%q %q %d %v ", r.Key, r.Value, r.Deadline, r.Stray)
		return nil
	})
	say = append(say, fmt.Sprintf("check: %s, %d/%d/%d/%d", text(err), r.Records, r.Keys, r.Bad, r.Stray))
	if r.Back.Whole {
		say = append(say, fmt.Sprintf("back to %d", r.Back.Number))
		repaired := filepath.Join(t.TempDir(), "repaired.db")
		if err := d.Repair(t.Context(), repaired); err != nil {
			t.Errorf("repair: %v", err)
		}
	}
	if len(r.Damage) > 0 {
		say = append(say, fmt.Sprint(len(r.Damage), " faults: ", text(kverr.Errorf(kverr.Corrupt, "%s", r.Damage[0]))))
	}
	say = append(say, fmt.Sprintf("salvage: %d %x", n, salvaged.Sum(nil)))

	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	late, err := Open(t.Context(), loc, Options{VerifyBytes: -1, Now: func() time.Time { return verdictTime }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return strings.Join(append(say, "late: "+text(err)), "; ")
	}
	defer late.Close()
	reads := map[string]int{}
	for _, key := range keys {
		late.View(func(tx *Tx) error {
			value, _, found, err := tx.Entry(key, true)
			switch {
			case err == nil && !found:
				reads["absent"]++
				return nil
			case err == nil && len(bytes.Trim(value, "v")) > 0:
				t.Errorf("a read of %.20q has another value", key)
			}
			reads[text(err)]++
			return nil
		})
	}
	var counts []string
	for what, n := range reads {
		counts = append(counts, fmt.Sprintf("%d reads: %s", n, what))
	}
	slices.Sort(counts)
	say = append(say, counts...)
	scanned := 0
	err = late.View(func(tx *Tx) error {
		_, expired := tx.Expired()
		return errors.Join(expired, tx.Scan("", func(_, _ []byte) (bool, error) { scanned++; return true, nil }))
	})
	say = append(say, fmt.Sprintf("scan: %d, %s", scanned, text(err)))
	for _, write := range []struct {
		what string
		do   func() error
	}{
		{"write", func() error {
			return late.Update(func(tx *Tx) error {
				return errors.Join(tx.SetState(keys[0], State{Exists: true, Value: "v"}), tx.SetState(keys[len(keys)/2], State{}), tx.SetState("key 020a", State{Exists: true, Deadline: 1, Value: "v"}))
			})
		}},
		{"compact", late.Compact},
		{"clear", func() error { return late.Update((*Tx).Clear) }},
	} {
		say = append(say, write.what+": "+text(write.do()))
	}
	return strings.Join(say, "; ")
}

// Whatever is wrong with a file, its verdicts stay the same, unless there is a reason.
func TestTheVerdictsOnMutants(t *testing.T) {
	file, keys := verdictFile(t)
	path := filepath.Join(t.TempDir(), "kv.db")
	var got []string
	whole := ""
	mutate(file, func(what string, mutant []byte) {
		if err := os.WriteFile(path, mutant, 0o600); err != nil {
			t.Fatal(err)
		}
		v := verdict(t, path, keys)
		if whole == "" {
			whole = v
		}
		if v != whole { // else nothing of the last commit is damaged
			got = append(got, what+"\t"+v)
		}
	})
	slices.Sort(got)
	const golden = "testdata/verdicts.txt"
	if *updateVerdicts {
		if err := os.WriteFile(golden, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(got) != len(want) {
		t.Errorf("%d mutants, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}
