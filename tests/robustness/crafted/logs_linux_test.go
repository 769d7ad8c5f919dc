package crafted

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/internal/wal"
	bolt "go.etcd.io/bbolt"
)

// logKinds fill a log with operations that take few of its bytes and much memory in a
// replay. Each call adds the operation of a number to a batch.
var logKinds = map[string]func(b *wal.Batch, i uint64){
	"short keys":        func(b *wal.Batch, i uint64) { b.Put(shortKey(i), "\x01", 0) },
	"short keys, mixed": func(b *wal.Batch, i uint64) { b.Put(shortKey(i*2654435761), "\x01", 0) },
	"deadlines":         func(b *wal.Batch, i uint64) { b.Put(shortKey(i), "\x01", int64(1+i)) },
	"far deadlines":     func(b *wal.Batch, i uint64) { b.Put(shortKey(i*2654435761), "\x01", 1<<62+int64(i*7919)) },
	"removals":          func(b *wal.Batch, i uint64) { b.Delete(shortKey(i)) },
	"come and go": func(b *wal.Batch, i uint64) {
		b.Put(shortKey(i), "\x01", 0)
		b.Delete(shortKey(i))
	},
	"one key": func(b *wal.Batch, i uint64) { b.Put("k", "\x01", int64(i)) },
	"clears": func(b *wal.Batch, i uint64) {
		if i%100_000 == 0 {
			b.Clear()
		}
		b.Put(shortKey(i), "\x01", 0)
	},
	"long keys":    func(b *wal.Batch, i uint64) { b.Put(shortKey(i)+strings.Repeat("x", 32_000), "\x01", 1<<62) },
	"large values": func(b *wal.Batch, i uint64) { b.Put(shortKey(i), strings.Repeat("v", 300_000), 0) },
}

func shortKey(i uint64) string { return string([]byte{byte(i >> 16), byte(i >> 8), byte(i)}) }

// craftLog makes a store whose log, of so many bytes, is full of one kind of
// operations, in records of up to recordBytes. It returns the folder's store.
func craftLog(t *testing.T, add func(b *wal.Batch, i uint64), logBytes, recordBytes int64) (path string) {
	t.Helper()
	path, _ = baseFile(t, 600)
	f, err := os.Create(path + "-log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := wal.Create(f, logBytes, 0, wal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b wal.Batch
	var one wal.Batch
	add(&one, 1<<20)
	add(&one, 1<<20)
	for i := uint64(0); ; {
		used, size := l.Usage()
		most := min(recordBytes, size-used)
		for ; b.Len()+one.Len() <= most && i < 1<<24; i++ {
			add(&b, i)
		}
		if b.Len() <= 32 {
			break
		}
		if _, err := l.Append(&b, 0); err != nil {
			t.Fatal(err)
		}
		b = wal.Batch{}
	}
	if err := l.Sync(ctx, l.Tail()); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err == nil {
		id := l.ID()
		err = errors.Join(db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("log"), binary.BigEndian.AppendUint64(id[:], 0))
		}), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// In the child: opens a file, closes it, and prints what became of both and what it took.
func init() {
	children["open"] = func(args []string) {
		var opts []extlibs.Option
		if args[1] == "read-only" {
			opts = append(opts, extlibs.ReadOnly())
		}
		r := extlibs.NewRegistry(opts...)
		before := peakMemory()
		began := cpuTime()
		h, err := r.Open(ctx, args[0])
		fmt.Println("open", kindOf(err))
		fmt.Println("opening", cpuTime()-began, (peakMemory()-before)>>20)
		if err == nil {
			fmt.Println("close", kindOf(h.Close()))
		}
		fmt.Println("peak", cpuTime()-began, (peakMemory()-before)>>20)
	}
}

// What opening and closing a store with a crafted log may take: a small multiple of
// the log, and what any store takes.
func TestALogTakesMemoryAndTimeByItsBytesAndNotByItsEntries(t *testing.T) {
	logBytes, records, n := int64(3<<20), []int64{1 << 30}, 1
	if !testing.Short() && !raceDetector { // which is many times slower, and takes more memory
		logBytes, records = int64(kvtest.Sized(0, 8<<20, 16<<20)), []int64{1 << 30, 64 << 10}
		n = 4
	}
	const share, base = 8, 96 << 20
	for _, name := range kvtest.SampleUnlessNightly(t, logKinds, n) {
		add := logKinds[name]
		for _, recordBytes := range records {
			for _, mode := range []string{"writable", "read-only"} {
				t.Run(fmt.Sprint(name, ", records of ", recordBytes>>10, " KiB, ", mode), func(t *testing.T) {
					path := craftLog(t, add, logBytes, recordBytes)
					var out, errs bytes.Buffer
					cmd := child("open", path, mode)
					cmd.Stdout, cmd.Stderr = &out, &errs
					if err := cmd.Run(); err != nil {
						t.Fatalf("%v\n%s%.2000s", err, out.String(), errs.String())
					}
					t.Log(strings.ReplaceAll(out.String(), "\n", ", "))
					for _, line := range linesOf(out.String()) {
						var took string
						var mib int64
						if n, _ := fmt.Sscanf(line, "peak %s %d", &took, &mib); n != 2 {
							continue
						}
						if mib<<20 > share*logBytes+base && !raceDetector {
							t.Errorf("%d MiB for a log of %d MiB", mib, logBytes>>20)
						}
						if d, err := time.ParseDuration(took); err != nil || d > 5*time.Second+3*time.Duration(logBytes>>20)*time.Second && !raceDetector {
							t.Errorf("%v for a log of %d MiB", took, logBytes>>20)
						}
					}
				})
			}
		}
	}
}

// A crafted log's open ends with its context, wherever it is, and the next one has all.
func TestTheOpenOfACraftedLogEndsWithItsContext(t *testing.T) {
	kvtest.OnceIn(t, 3)
	mib := int64(kvtest.Sized(1, 4, 4))
	path := craftLog(t, logKinds["short keys, mixed"], mib<<20, 1<<30)
	open := func(ctx context.Context) (*extlibs.Handle, error) { // an open that was given up releases the file a moment later
		return extlibs.NewRegistry(extlibs.LockTimeout(time.Minute)).Open(ctx, path)
	}
	limits := kvtest.Rand(t)
	for range 5 {
		limit := time.Duration(limits.IntN(200)) * time.Millisecond
		limited, cancel := context.WithTimeout(ctx, limit)
		began := time.Now()
		h, err := open(limited)
		cancel()
		if took := time.Since(began); err != nil && took > limit+5*time.Second {
			t.Errorf("an open of %v took %v", limit, took)
		}
		if err == nil {
			h.Close()
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
	h, err := open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if n, err := h.Count(ctx, "*"); err != nil || int64(n) < 100_000*mib {
		t.Errorf("%d keys, %v", n, err)
	}
}

// In the child: fills logs as honest hosts do, with the entries that take the least of
// them, and prints the most memory that it had. Its file is one of many leaves, all of
// which change.
func init() {
	children["honest"] = func(args []string) {
		batch, _ := strconv.Atoi(args[1])
		h, err := extlibs.NewRegistry(extlibs.Durability(extlibs.Interval(time.Hour))).Open(ctx, args[0])
		if err != nil {
			panic(err)
		}
		before := peakMemory()
		r := rand.New(rand.NewPCG(1, 2))
		for n := 0; n < 400_000; n += batch {
			if batch == 1 {
				err = h.Set(ctx, keyOf(r.IntN(1_000_000)), 1, 0)
			} else {
				many := map[string]any{}
				for range batch {
					many[keyOf(r.IntN(1_000_000))] = 1
				}
				err = h.SetMany(ctx, many, 0)
			}
			if err != nil {
				panic(err)
			}
		}
		fmt.Println("written", cpuTime(), (peakMemory()-before)>>20)
		fmt.Println("close", kindOf(h.Close()))
		fmt.Println("peak", cpuTime(), (peakMemory()-before)>>20)
	}
}

func TestAFullLogOfSmallEntriesTakesASmallMultipleOfItself(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("it writes a million entries, to measure memory")
	}
	const logBytes, share, base = 8 << 20, 8, 128 << 20 // the base is of a large file's list of free pages, and of checkpoints
	for _, batch := range []int{1, 20_000} {
		t.Run(fmt.Sprint("batches of ", batch), func(t *testing.T) {
			path, _ := baseFile(t, 200_000)
			var out, errs bytes.Buffer
			cmd := child("honest", path, strconv.Itoa(batch))
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s%.2000s", err, out.String(), errs.String())
			}
			t.Log(strings.ReplaceAll(out.String(), "\n", ", "))
			for _, line := range linesOf(out.String()) {
				var took string
				var mib int64
				if n, _ := fmt.Sscanf(line, "peak %s %d", &took, &mib); n == 2 && mib<<20 > share*logBytes+base && !raceDetector {
					t.Errorf("%d MiB for a log of %d MiB", mib, logBytes>>20)
				}
			}
		})
	}
}
