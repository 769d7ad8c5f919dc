package robustness

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	bolt "go.etcd.io/bbolt"
)

const pageSize = 4096

// damageFile makes a file of about 1 MB with everything that one can hold: entries
// with and without deadlines, entries of several pages, a key that the index of
// deadlines holds as a hash, branches, and free pages.
func damageFile(t testing.TB) (path string) {
	path = filepath.Join(memoryDir(t), "kv.db") // what a sync costs is not the question
	r := extlibs.NewRegistry()
	h := mustOpen(t, r, path)
	set := func(ops []extlibs.Op) {
		t.Helper()
		if _, err := h.Store().ApplyMany(ctx, ops); err != nil {
			t.Fatal(err)
		}
	}
	var ops []extlibs.Op
	for i := range 3000 {
		op := extlibs.Op{Kind: extlibs.OpSet, Key: fmt.Sprintf("key:%05d", i), Value: damageValue(fmt.Sprintf("key:%05d", i), 60+i%80)}
		if i%3 == 0 {
			op.TTL = time.Hour + time.Duration(i)*time.Second
		}
		if ops = append(ops, op); len(ops) == 500 {
			set(ops)
			ops = nil
		}
	}
	for i := range 8 {
		key := fmt.Sprintf("large:%d", i)
		set([]extlibs.Op{{Kind: extlibs.OpSet, Key: key, Value: damageValue(key, 20_000), TTL: time.Duration(i%2) * time.Hour}})
	}
	long := strings.Repeat("k", extlibs.MaxKeyBytes)
	set([]extlibs.Op{{Kind: extlibs.OpSet, Key: long, Value: damageValue(long, 10), TTL: time.Hour}})
	for i := range 400 {
		ops = append(ops, extlibs.Op{Kind: extlibs.OpDelete, Key: fmt.Sprintf("key:%05d", 1000+i)})
	}
	set(ops)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// damageValue is the value that a key must have: any other value is
// wrong.
func damageValue(key string, n int) extlibs.Value {
	if len(key) > 20 {
		key = key[:20]
	}
	v, err := extlibs.Encode(strings.Repeat(key+",", n/len(key)+1))
	if err != nil {
		panic(err)
	}
	return v
}

// damageTruth is what a file holds.
type damageTruth struct {
	keys   []string
	values map[string]extlibs.Value
}

func readAll(h *extlibs.Handle) (damageTruth, error) {
	truth := damageTruth{values: map[string]extlibs.Value{}}
	for r := (extlibs.Range{Need: extlibs.NeedAll}); ; {
		page, err := h.Store().Scan(ctx, r)
		if err != nil {
			return truth, err
		}
		for _, e := range page.Entries {
			truth.keys = append(truth.keys, e.Key)
			truth.values[e.Key] = e.Value
		}
		if !page.More {
			return truth, nil
		}
		r.After = page.Next
	}
}

// errLie marks an answer that is neither right nor an error.
var errLie = errors.New("wrong answer")

// useDamaged does to a store in a damaged file all that a program does, and
// compares each answer with the truth.
func useDamaged(h *extlibs.Handle, truth damageTruth) error {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for i, key := range truth.keys {
		if i%7 != 0 && !strings.HasPrefix(key, "large") {
			continue
		}
		e, err := h.Store().Load(ctx, key, extlibs.NeedAll)
		if err == nil && e.Value != truth.values[key] || errors.Is(err, extlibs.ErrNotFound) {
			err = fmt.Errorf("%w: get(%.20q)", errLie, key)
		}
		note(err)
	}
	if _, err := h.Store().Load(ctx, "key:01003", extlibs.NeedAll); err == nil {
		note(fmt.Errorf("%w: a deleted key is back", errLie))
	} else if !errors.Is(err, extlibs.ErrNotFound) {
		note(err)
	}
	if n, err := h.Store().Len(ctx); err == nil && n != len(truth.keys) {
		note(fmt.Errorf("%w: count is %d, not %d", errLie, n, len(truth.keys)))
	} else {
		note(err)
	}
	all, err := readAll(h)
	if err == nil && len(all.keys) != len(truth.keys) {
		err = fmt.Errorf("%w: %d keys of %d", errLie, len(all.keys), len(truth.keys))
	}
	note(err)
	for key, value := range all.values {
		if truth.values[key] != value {
			note(fmt.Errorf("%w: scan of %.20q", errLie, key))
		}
	}
	if _, err := h.Store().ApplyMany(ctx, []extlibs.Op{
		{Kind: extlibs.OpSet, Key: "key:00500", Value: truth.values["key:00501"]},
		{Kind: extlibs.OpSet, Key: "key:00500a", Value: truth.values["key:00501"], TTL: time.Minute},
		{Kind: extlibs.OpDelete, Key: "key:02000"},
		{Kind: extlibs.OpDelete, Key: "large:1"},
		{Kind: extlibs.OpExpire, Key: "key:02500", TTL: time.Minute},
	}); err != nil {
		note(err)
	}
	if len(errs) == 0 {
		if n, err := h.Store().Len(ctx); err != nil || n != len(truth.keys)-1 {
			note(fmt.Errorf("%w: count after the writes is %d, %v", errLie, n, err))
		}
	}
	return errors.Join(errs...)
}

// In the process: args are what to damage, the flips, and whether to be quick. Each
// line printed is a count, or a complaint that begins with "BAD".
func init() {
	programs["damage"] = func(dir string, args ...string) {
		path, kind := filepath.Join(dir, "kv.db"), args[0]
		flips, _ := strconv.Atoi(args[1])
		step, every := pageSize, 1
		if args[2] == "true" {
			step, every = 7*step, 3
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		length := int64(len(whole))
		if kind == "large" {
			length = enlarge(whole)
		}
		rewrite := func(content []byte) error {
			if err := os.WriteFile(path, content, 0o600); err != nil || kind == "cut" {
				return err
			}
			return os.Truncate(path, length)
		}
		if err := rewrite(whole); err != nil {
			panic(err)
		}
		var ahead atomic.Int64
		start := time.Now()
		r := extlibs.NewRegistry(extlibs.LogBytes(1), extlibs.Clock(func() time.Time { return start.Add(time.Duration(ahead.Load())) }))
		h, err := r.Open(ctx, path)
		if err != nil {
			panic(err)
		}
		truth, err := readAll(h)
		if err == nil {
			err = h.Close()
		}
		if err != nil {
			panic(err)
		}
		refused, harmless, later := 0, 0, 0
		try := func(what string, content []byte) {
			fmt.Println("trying", what)
			if err := rewrite(content); err != nil {
				panic(err)
			}
			h, err := r.Open(ctx, path)
			if err == nil {
				if err = useDamaged(h, truth); err == nil {
					ahead.Add(int64(24 * time.Hour)) // where the index of deadlines counts
					n, e := h.Store().Len(ctx)
					all, e2 := readAll(h)
					ahead.Add(-int64(24 * time.Hour))
					if err = errors.Join(e, e2); err == nil && n != len(all.keys) {
						err = fmt.Errorf("%w: count is %d after the deadlines of all but %d", errLie, n, len(all.keys))
					}
				}
				if err == nil {
					harmless++
				} else {
					later++
				}
				if e := h.Close(); e != nil && !errors.Is(e, extlibs.ErrCorrupt) {
					fmt.Println("BAD", what, "close:", e)
				}
			} else {
				refused++
			}
			switch {
			case err == nil:
			case errors.Is(err, errLie):
				fmt.Printf("BAD %s: %.300q\n", what, err.Error())
			case !errors.Is(err, extlibs.ErrCorrupt) && !errors.Is(err, extlibs.ErrFormat):
				fmt.Println("BAD", what, "an error without a name:", err)
			}
		}
		switch kind {
		case "cut":
			for n := 0; n < len(whole); n += step {
				if n > 0 { // an empty file is a new store
					try("cut at "+strconv.Itoa(n), whole[:n])
				}
			}
		case "flip", "large":
			random := kvtest.ProcessRand("flips")
			for page := 0; page < len(whole); page += step {
				if bytes.Equal(whole[page:page+pageSize], make([]byte, pageSize)) {
					continue // the engine makes files larger than they need to be
				}
				offsets := []int{0, 8, 10, 12, 16, 20, 24, 28, 36, 40}
				for range flips {
					offsets = append(offsets, 16+random.IntN(pageSize-16))
				}
				random.Shuffle(len(offsets), func(i, j int) { offsets[i], offsets[j] = offsets[j], offsets[i] })
				offsets = offsets[:min(flips, len(offsets))]
				// Every byte of the headers, and of the page with the counter, or some
				// of them where it has to be quick.
				if page < 2*pageSize {
					offsets = nil
					for at := 16; at < 80; at += every {
						offsets = append(offsets, at)
					}
				} else if at := bytes.Index(whole[page:page+pageSize], []byte("count")); at > 0 && bytes.Contains(whole[page:page+pageSize], []byte("format")) {
					for i := 0; i < 40; i += every {
						offsets = append(offsets, at+i)
					}
				}
				for i, at := range offsets {
					damaged := bytes.Clone(whole)
					bits := byte(0xFF)
					if i%2 == 0 {
						bits = 1 << random.IntN(8)
					}
					damaged[page+at] ^= bits
					try(fmt.Sprintf("page %d (%x), byte %d ^ %#x", page/pageSize, whole[page+8], at, bits), damaged)
				}
			}
		}
		// Whatever happened before, a whole file opens, in this very process.
		if err := rewrite(whole); err != nil {
			panic(err)
		}
		h, err = r.Open(ctx, path)
		if err == nil {
			err = useDamaged(h, truth)
		}
		if err != nil {
			fmt.Println("BAD the restored copy:", err)
		}
		if err := r.Close(); err != nil {
			fmt.Println("BAD the restored copy:", err)
		}
		fmt.Println("refused", refused, "found later", later, "harmless", harmless)
	}
}

// enlarge makes both meta pages claim more pages than opening a file verifies, and returns
// the length of a file with those pages, which can be a hole.
func enlarge(b []byte) (length int64) {
	const pages = boltfile.DefaultVerifyBytes/pageSize + 1
	for _, meta := range [][]byte{b[16:80], b[pageSize+16 : pageSize+80]} {
		binary.NativeEndian.PutUint64(meta[40:], pages)
		sum := fnv.New64a()
		sum.Write(meta[:56])
		binary.NativeEndian.PutUint64(meta[56:], sum.Sum64())
	}
	return pages * pageSize
}

func testDamage(t *testing.T, kind string) {
	path := damageFile(t)
	cmd := command("damage", filepath.Dir(path), kind, strconv.Itoa(kvtest.Sized(4, 4, 14)), strconv.FormatBool(quick()))
	cmd.Env = kvtest.ChildEnv(cmd.Env, kvtest.Rand(t))
	lines := linesFrom(t, 2*time.Minute, cmd)
	bad, lies := 0, 0
	for _, line := range lines {
		if kind == "large" && strings.Contains(line, errLie.Error()+": count") && !strings.Contains(line, errLie.Error()+": get") {
			lies++
			continue
		}
		if strings.HasPrefix(line, "BAD") {
			if bad++; bad <= 20 {
				t.Error(line)
			}
		}
	}
	if bad > 20 {
		t.Errorf("and %d more", bad-20)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes: %s, lied %d", info.Size(), lines[len(lines)-1], lies)
}

func TestAFileCutAtAnyPageIsRefusedOrRight(t *testing.T) {
	t.Parallel()
	testDamage(t, "cut")
}

func TestAFlippedByteInAnyPageIsRefusedOrHarmless(t *testing.T) {
	t.Parallel()
	kvtest.OnceIn(t, 3)
	testDamage(t, "flip")
}

// Of a file that is too large to be read before it is used, the keys are not
// counted: a damaged number of keys is not noticed. All else is found when it is
// read.
func TestADamagedLeafOfALargeFileNeitherCrashesNorHangsNorKeepsTheLock(t *testing.T) {
	t.Parallel()
	kvtest.OnceIn(t, 3)
	testDamage(t, "large")
}

func TestAnIndexThatLacksADeadlineIsFoundWhenTheFileIsOpened(t *testing.T) {
	path := damageFile(t)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		index := tx.Bucket([]byte("expiry"))
		k, _ := index.Cursor().First()
		return index.Delete(bytes.Clone(k))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := extlibs.NewRegistry().Open(ctx, path); !errors.Is(err, extlibs.ErrCorrupt) {
		t.Errorf("open: %v", err)
	}
}
