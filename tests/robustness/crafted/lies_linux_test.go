package crafted

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	bolt "go.etcd.io/bbolt"
)

// A lyingChange is a change of a file whose pages and checksums stay right: the engine itself
// makes it. What a store writes is what its buckets say.
type lyingChange func(r *rand.Rand, meta, data, expiry *bolt.Bucket) error

func castagnoli(parts ...[]byte) (sum uint32) {
	for _, b := range parts {
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), b)
	}
	return sum
}

// recordOf is the record of a value that has a deadline.
func recordOf(key string, deadline uint64, value []byte) []byte {
	head := binary.BigEndian.AppendUint64([]byte{1}, deadline)
	return append(binary.BigEndian.AppendUint32(head, castagnoli([]byte(key), head, value)), value...)
}

func indexKey(deadline uint64, key string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, deadline), key...)
}

// lyingFile makes a large file, whose leaves are not read at its opening, and lets
// lies change it.
func lyingFile(t *testing.T, r *rand.Rand, lies ...lyingChange) (path string) {
	t.Helper()
	path, _ = baseFile(t, largeKeys)
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true, FreelistType: bolt.FreelistMapType})
	if err == nil {
		err = db.Update(func(tx *bolt.Tx) (err error) {
			for _, l := range lies {
				err = errors.Join(err, l(r, tx.Bucket([]byte("meta")), tx.Bucket([]byte("data")), tx.Bucket([]byte("expiry"))))
			}
			return err
		})
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func count(n uint64) lyingChange {
	return func(_ *rand.Rand, meta, _, _ *bolt.Bucket) error {
		return meta.Put([]byte("count"), binary.BigEndian.AppendUint64(nil, n))
	}
}

// strays are entries of the index that lead to no key and, if mixed, to keys without
// that deadline.
func strays(n int, mixed bool) lyingChange {
	return func(r *rand.Rand, _, _, expiry *bolt.Bucket) (err error) {
		for i := range n {
			k := indexKey(1+r.Uint64N(1e9), fmt.Sprint("nobody", i))
			switch kind := r.IntN(8); {
			case !mixed:
			case kind == 0:
				k = indexKey(r.Uint64()|1<<63, fmt.Sprint("nobody", i))
			case kind == 1:
				k = indexKey(1+r.Uint64N(1e9), keyOf(i))
			case kind == 2:
				k = k[:1+r.IntN(8)]
			}
			err = errors.Join(err, expiry.Put(k, nil))
		}
		return err
	}
}

// deadlines are records whose checksum holds, with deadlines that no store writes.
func deadlines(n int) lyingChange {
	return func(r *rand.Rand, _, data, expiry *bolt.Bucket) (err error) {
		for i := range n {
			deadline := []uint64{1 << 63, math.MaxUint64, 0, r.Uint64() | 1<<63, 1<<63 + 1}[r.IntN(5)]
			key := keyOf(r.IntN(largeKeys))
			err = errors.Join(err, data.Put([]byte(key), recordOf(key, deadline, []byte{byte(i % 24)})), expiry.Put(indexKey(deadline, key), nil))
		}
		return err
	}
}

// checkLying uses a file as a host would, and returns what is not as it should be.
func checkLying(t *testing.T, path string) {
	t.Helper()
	acknowledged := map[string]int64{}
	for round := range 3 {
		later := extlibs.Clock(func() time.Time { return time.Now().Add(2 * time.Hour) }) // a quarter of the keys has expired
		h, err := extlibs.NewRegistry(extlibs.SweepInterval(time.Millisecond), later).Open(ctx, path)
		if err != nil {
			if round > 0 {
				t.Errorf("round %d: it was opened and written to before: %v", round, err)
			}
			return
		}
		if n, err := h.Count(ctx, "*"); err == nil && n < 0 {
			t.Errorf("round %d: count: %d", round, n)
		}
		key := fmt.Sprint("acknowledged", round)
		if err := h.Set(ctx, key, round, 0); err == nil {
			acknowledged[key] = int64(round)
		} else if !errors.Is(err, extlibs.ErrCorrupt) { // as a miss beside a damaged record is
			t.Error(err)
		}
		if err := h.Set(ctx, fmt.Sprint("short", round), round, time.Millisecond); err != nil {
			t.Error(err)
		}
		for i := range 40 {
			if _, err := h.Delete(ctx, keyOf(round*40+i)); err != nil && !errors.Is(err, extlibs.ErrCorrupt) {
				t.Errorf("round %d: delete: %v", round, err)
			}
		}
		for began := time.Now(); ; time.Sleep(time.Millisecond) { // for the sweeper, which has its own time
			s, err := h.Stats(ctx)
			if err != nil || round > 0 || s.Expired > largeKeys/8 {
				break
			}
			if time.Since(began) > 20*time.Second {
				t.Errorf("round %d: of the expired keys %d are swept", round, s.Expired)
				break
			}
		}
		if err := h.Close(); err != nil {
			t.Errorf("round %d: close: %v", round, err)
		}
		h, err = extlibs.NewRegistry().Open(ctx, path)
		if err != nil {
			t.Errorf("round %d: opened again: %v", round, err)
			return
		}
		for key, want := range acknowledged {
			if v, err := h.Get(ctx, key); v != want || err != nil {
				t.Errorf("round %d: %s: %v, %v", round, key, v, err)
			}
		}
		if n, err := h.Count(ctx, "*"); err != nil || n < 0 {
			t.Errorf("round %d: count: %d, %v", round, n, err)
		}
		h.Close()
	}
}

func TestAFileThatLiesOpensAndGoesOnOpening(t *testing.T) {
	files := map[string][]lyingChange{
		"count 0":             {count(0)},
		"count 30":            {count(30)},
		"a count too high":    {count(30_000)},
		"strays":              {strays(600, false)},
		"more strays":         {strays(6000, false)},
		"strays of all kinds": {strays(3000, true)},
		"deadlines":           {deadlines(5)},
		"deadlines of many":   {deadlines(2000)},
		"all":                 {count(1), strays(700, true), deadlines(30)},
		"an impossible count": {count(1 << 61)},
	}
	for _, name := range kvtest.SampleNames(t, files, 3) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkLying(t, lyingFile(t, kvtest.Rand(t), files[name]...))
		})
	}
}

// A deadline that no store writes is damage, in every call.
func TestCallsAgreeAboutADeadlineThatNoStoreWrites(t *testing.T) {
	for _, deadline := range []uint64{1 << 63, math.MaxUint64, 1<<63 + 1, 0} {
		path := lyingFile(t, nil, func(_ *rand.Rand, _, data, expiry *bolt.Bucket) error {
			key := keyOf(77)
			return errors.Join(data.Put([]byte(key), recordOf(key, deadline, []byte{1})), expiry.Put(indexKey(deadline, key), nil))
		})
		h, err := extlibs.NewRegistry().Open(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		_, get := h.Get(ctx, keyOf(77))
		_, keys := h.Keys(ctx, extlibs.ListOptions{})
		_, ttl := h.TTL(ctx, keyOf(77))
		for call, err := range map[string]error{"get": get, "keys": keys, "ttl": ttl} {
			if !errors.Is(err, extlibs.ErrCorrupt) {
				t.Errorf("%#x: %s: %v", deadline, call, err)
			}
		}
		if err := errors.Join(h.Set(ctx, keyOf(77), "mended", 0), h.Close()); err != nil {
			t.Error(err)
		}
		if h, err = extlibs.NewRegistry().Open(ctx, path); err != nil {
			t.Fatal(err)
		}
		keysNow, err := h.Keys(ctx, extlibs.ListOptions{})
		if n, e := h.Count(ctx, "*"); err != nil || e != nil || n != len(keysNow) || !slices.Contains(keysNow, keyOf(77)) {
			t.Errorf("%#x: %d keys, counted %d, %v, %v", deadline, len(keysNow), n, err, e)
		}
		h.Close()
	}
}

func TestDamagedRecordsWithDeadlinesAreReplacedInLinearTime(t *testing.T) {
	kvtest.OnceIn(t, 3)
	var took map[int]time.Duration
	for range 3 { // a garbage collection can come to one of the two
		took = map[int]time.Duration{4_000: replacesDamaged(t, 4_000), 20_000: replacesDamaged(t, 20_000)}
		t.Log(took)
		if took[20_000] <= 6*took[4_000]+300*time.Millisecond {
			return
		}
	}
	t.Errorf("five times the records take %v instead of %v", took[20_000], took[4_000])
}

// replacesDamaged returns the time of the processor that removing n damaged records takes.
func replacesDamaged(t *testing.T, n int) time.Duration {
	path := lyingFile(t, nil, func(_ *rand.Rand, _, data, expiry *bolt.Bucket) (err error) {
		for i := range n {
			key := keyOf(i)
			record := recordOf(key, uint64(math.MaxInt64)-uint64(i), []byte{1})
			record[9] ^= 1 // of the checksum
			err = errors.Join(err, data.Put([]byte(key), record), expiry.Put(indexKey(uint64(math.MaxInt64)-uint64(i), key), nil))
		}
		return err
	})
	h, err := extlibs.NewRegistry(extlibs.LogBytes(64<<20)).Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for i := range n {
		keys = append(keys, keyOf(i))
	}
	began := cpuTime()
	_, err = h.DeleteMany(ctx, keys)
	if err := errors.Join(err, h.Close()); err != nil {
		t.Fatal(err)
	}
	return cpuTime() - began
}

// longLeaf appends a leaf with one entry, whose value is n zeros that no disk holds,
// instead of the first leaf, and returns the size that the file has to get.
func (m *image) longLeaf(t *testing.T, n int) (key string, size int64) {
	leaf, _ := m.leafOf(t, keyOf(0))
	at := headerBytes + int(order.Uint32(m.page(leaf)[headerBytes+4:]))
	key = string(m.page(leaf)[at:][:order.Uint32(m.page(leaf)[headerBytes+8:])])
	m.b = append(m.b[:m.n*m.size], make([]byte, m.size)...)
	p := m.page(m.n)
	order.PutUint64(p, uint64(m.n))
	order.PutUint16(p[8:], flagLeaf)
	order.PutUint16(p[10:], 1)
	order.PutUint32(p[headerBytes+4:], elementBytes)
	order.PutUint32(p[headerBytes+8:], uint32(len(key)))
	value := binary.BigEndian.AppendUint32([]byte{0x5a}, uint32(n)) // CBOR's bytes
	sum := castagnoli([]byte(key), []byte{0}, value)
	zeros := make([]byte, 1<<20)
	for left := n; left > 0; left -= len(zeros) {
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), zeros[:min(left, len(zeros))])
	}
	record := append(binary.BigEndian.AppendUint32([]byte{0}, sum), value...)
	order.PutUint32(p[headerBytes+12:], uint32(len(record)+n))
	end := headerBytes + elementBytes + copy(p[headerBytes+elementBytes:], key)
	copy(p[end:], record)
	pages := (end + len(record) + n + m.size - 1) / m.size
	order.PutUint32(p[12:], uint32(pages-1))
	for _, id := range m.kind[flagBranch] {
		b := m.page(id)
		for i := range int(order.Uint16(b[10:])) {
			if e := b[headerBytes+i*elementBytes:]; order.Uint64(e[8:]) == uint64(leaf) {
				order.PutUint64(e[8:], uint64(m.n))
			}
		}
	}
	for i := range 2 {
		order.PutUint64(m.b[i*m.size+headerBytes+40:], uint64(m.n+pages))
	}
	return key, int64(m.n+pages) * int64(m.size)
}

// A value of a gigabyte is not read where values are limited to 16 MiB: the child may
// hold a fraction of that.
func TestAValueBeyondTheLimitIsNotRead(t *testing.T) {
	kvtest.OnceIn(t, 3)
	path, m := baseFile(t, largeKeys)
	key, size := m.longLeaf(t, 1<<30)
	m.save(t, path)
	if err := os.Truncate(path, size); err != nil {
		t.Skip(err)
	}
	got := runCalls(t, path, 0, "", "get "+key, "exists "+key, "incr "+key, "keys")
	if got["open"] != "ok" || got["get"] != "too large" || got["incr"] != "too large" || got["exists"] != "ok" || got["keys"] != "ok" {
		t.Error(got)
	}
	if got := runCalls(t, path, 0, "", "delete "+key, "get "+key); got["delete"] != "ok" || got["get"] != "absent" {
		t.Error(got)
	}
}

// In the child: looks at a file as the command check does, and prints what it took.
func init() {
	children["look"] = func(args []string) {
		began := cpuTime()
		d, err := boltfile.OpenDamaged(args[0], time.Second)
		if err != nil {
			fmt.Println("open", err)
			return
		}
		r, err := d.Check(ctx, nil)
		fmt.Println("look", len(r.Damage), err)
		fmt.Println("peak", peakMemory()>>20, "MiB", cpuTime()-began)
	}
}

// peakMemory is the most memory that the process had, without what files map.
func peakMemory() int64 {
	b, _ := os.ReadFile("/proc/self/status")
	var kb, mapped int64
	for _, line := range linesOf(string(b)) {
		fmt.Sscanf(line, "VmHWM: %d", &kb)
		fmt.Sscanf(line, "RssFile: %d", &mapped)
	}
	return (kb - mapped) << 10
}

// Long leaves at many depths, each of which may be the next one's parent: what one
// walk holds of them must not add up.
func TestLongLeavesAtEveryDepthAreLookedAtOneAtATime(t *testing.T) {
	kvtest.OnceIn(t, 3)
	const depth, leafBytes = 12, 96 << 20
	path, m := baseFile(t, 600)
	m.b = m.b[:m.n*m.size]
	root := m.page(int(order.Uint64(m.b[m.meta()*m.size+headerBytes+16:])))
	for i := range int(order.Uint16(root[10:])) { // the bucket data begins with a chain of branches
		e := headerBytes + i*elementBytes
		name := root[e+int(order.Uint32(root[e+4:])):]
		if n := order.Uint32(root[e+8:]); string(name[:n]) == "data" {
			order.PutUint64(name[n:], uint64(m.n))
		}
	}
	pages := (leafBytes + m.size - 1) / m.size
	first := m.n
	for i := range depth {
		branch := make([]byte, m.size)
		id, leaf := first+i, first+depth+i*pages
		order.PutUint64(branch, uint64(id))
		order.PutUint16(branch[8:], flagBranch)
		order.PutUint16(branch[10:], 2)
		for j, child := range []int{leaf, id + 1} {
			e := branch[headerBytes+j*elementBytes:]
			order.PutUint32(e, uint32(2*elementBytes-j*elementBytes+j))
			order.PutUint32(e[4:], 1)
			order.PutUint64(e[8:], uint64(child))
			branch[headerBytes+2*elementBytes+j] = byte('a' + 2*i + j)
		}
		m.b = append(m.b, branch...)
	}
	m.save(t, path)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range depth {
		leaf := make([]byte, m.size)
		id := first + depth + i*pages
		order.PutUint64(leaf, uint64(id))
		order.PutUint16(leaf[8:], flagLeaf)
		order.PutUint16(leaf[10:], 1)
		order.PutUint32(leaf[12:], uint32(pages-1))
		order.PutUint32(leaf[headerBytes+4:], elementBytes)
		order.PutUint32(leaf[headerBytes+8:], 1)
		order.PutUint32(leaf[headerBytes+12:], uint32(pages*m.size-headerBytes-elementBytes-1))
		leaf[headerBytes+elementBytes] = byte('a' + 2*i)
		if _, err := f.WriteAt(leaf, int64(id)*int64(m.size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(int64(first+depth+depth*pages) * int64(m.size)); err != nil {
		t.Skip(err)
	}
	var out bytes.Buffer
	cmd := child("look", path)
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		t.Fatal(err, out.String())
	}
	t.Log(out.String())
	var peak int
	for _, line := range linesOf(out.String()) {
		fmt.Sscanf(line, "peak %d", &peak)
	}
	if peak == 0 || peak > 4*leafBytes>>20 && !raceDetector {
		t.Errorf("looking at leaves of %d MiB took %d MiB", leafBytes>>20, peak)
	}
}
