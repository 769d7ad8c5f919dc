package robustness

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	bolt "go.etcd.io/bbolt"
)

const (
	crashWriters  = 4
	crashBatch    = 3 // keys of a batch, all there or none
	crashInterval = 200 * time.Millisecond
)

// In the process, while Compact and Backup run: each writer stores batch after batch and prints the number of
// each that was acknowledged.
func init() {
	programs["kill"] = func(dir string, args ...string) {
		h := openToCrash(dir, args[0])
		start, _ := strconv.Atoi(args[1])
		failed := make(chan error)
		disturb := []func() error{
			func() error { return h.Backup(ctx, io.Discard) },
			func() error { return h.Compact(ctx) },
		}
		for _, call := range disturb {
			random := kvtest.ProcessRand("disturb")
			go func() {
				for {
					if err := call(); err != nil {
						failed <- err
					}
					time.Sleep(time.Duration(random.Int64N(int64(10 * time.Millisecond))))
				}
			}()
		}
		for w := range crashWriters {
			go func() {
				for n := start; ; n++ {
					var ops []extlibs.Op
					for i := range crashBatch {
						v, _ := extlibs.Encode(crashValue(w, n, i))
						ops = append(ops, extlibs.Op{Kind: extlibs.OpSet, Key: crashKey(w, n, i), Value: v, TTL: time.Duration(i) * time.Hour})
					}
					v, _ := extlibs.Encode("soon gone")
					ops = append(ops, extlibs.Op{Kind: extlibs.OpSet, Key: fmt.Sprintf("gone:%d:%d", w, n), Value: v, TTL: 5 * time.Millisecond})
					if n%5 == 4 { // an old batch goes
						for i := range crashBatch {
							ops = append(ops, extlibs.Op{Kind: extlibs.OpDelete, Key: crashKey(w, n-4, i)})
						}
					}
					if _, err := h.Store().ApplyMany(ctx, ops); err != nil {
						failed <- err
						return
					}
					// One write: a line is printed completely or not at all.
					os.Stdout.WriteString(fmt.Sprintf("%d %d\n", w, n))
				}
			}()
		}
		panic(<-failed)
	}
}

// openToCrash opens a store with a log that is full again and again.
func openToCrash(dir, mode string) *extlibs.Handle {
	opts := []extlibs.Option{extlibs.SweepInterval(time.Millisecond), extlibs.LogBytes(256 << 10)}
	if mode == "interval" {
		opts = append(opts, extlibs.Durability(extlibs.Interval(crashInterval)))
	}
	h, err := extlibs.NewRegistry(opts...).Open(ctx, filepath.Join(dir, "kv.db"))
	if err != nil {
		panic(err)
	}
	return h
}

func crashKey(w, n, i int) string { return fmt.Sprintf("w%d:%08d:%d", w, n, i) }

func crashValue(w, n, i int) string {
	return strings.Repeat(fmt.Sprintf("%d-%d-%d ", w, n, i), 1+n%40)
}

// killWriters runs the process until it is killed, and returns the last batch that
// each writer had acknowledged.
func killWriters(t *testing.T, random *rand.Rand, dir, mode string, start int, after time.Duration) (last [crashWriters]int) {
	t.Helper()
	for w := range last {
		last[w] = start - 1
	}
	for _, line := range killAfterFirstLine(t, random, after, "kill", dir, mode, strconv.Itoa(start)) {
		var w, n int
		if _, err := fmt.Sscan(line, &w, &n); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		last[w] = max(last[w], n)
	}
	return last
}

// killAfterFirstLine runs a program, kills it some time after its first line, and returns its lines.
func killAfterFirstLine(t *testing.T, random *rand.Rand, after time.Duration, name, dir string, args ...string) (lines []string) {
	t.Helper()
	cmd := command(name, dir, args...)
	cmd.Env = kvtest.ChildEnv(cmd.Env, random)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var kill *time.Timer
	for scan := bufio.NewScanner(out); scan.Scan(); lines = append(lines, scan.Text()) {
		if kill == nil { // from the first write on, whenever that is
			kill = time.AfterFunc(after, func() {
				cmd.Process.Kill()
			})
		}
	}
	cmd.Wait()
	if kill == nil {
		t.Fatal("the process wrote nothing")
	}
	if kill.Stop() {
		t.Error("the process ended before it was killed")
	}
	return lines
}

// checkFile has the engine check its pages, and compares what the three buckets
// say of the same keys.
func checkFile(t *testing.T, path string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("tx.Check: %v", err)
		}
		deadlines := map[string]uint64{}
		var keys uint64
		err := tx.Bucket([]byte("data")).ForEach(func(k, v []byte) error {
			keys++
			if v[0] == 1 {
				deadlines[string(k)] = binary.BigEndian.Uint64(v[1:])
			}
			return nil
		})
		if err != nil {
			return err
		}
		if count := tx.Bucket([]byte("meta")).Get([]byte("count")); keys > 0 && (len(count) != 8 || binary.BigEndian.Uint64(count) != keys) {
			t.Errorf("the file holds %d keys, its counter says %x", keys, count)
		}
		return tx.Bucket([]byte("expiry")).ForEach(func(k, _ []byte) error {
			if key := string(k[8:]); deadlines[key] != binary.BigEndian.Uint64(k) {
				t.Errorf("the index says that %q expires at %x, its entry %x", key, k[:8], deadlines[key])
			} else {
				delete(deadlines, key)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testCrash(t *testing.T, mode string) {
	dir := t.TempDir()
	path := filepath.Join(dir, "kv.db")
	start, batches, limit := 0, 0, 100*time.Millisecond
	if mode == "interval" {
		limit = 2 * crashInterval
	}
	random, rounds := kvtest.Rand(t), kvtest.Sized(4, 20, 200)
	for round := range rounds {
		after := time.Duration(random.Int64N(int64(limit)))
		last := killWriters(t, random, dir, mode, start, after)
		r := extlibs.NewRegistry()
		h := mustOpen(t, r, path)
		for w := range crashWriters {
			for n := start; n <= last[w]+1 && !t.Failed(); n++ {
				found := 0
				for i := range crashBatch {
					e, err := h.Store().Load(ctx, crashKey(w, n, i), extlibs.NeedAll)
					if want, _ := extlibs.Encode(crashValue(w, n, i)); err == nil && e.Value == want {
						found++
					}
				}
				// The batch that takes this one away may or may not be there
				// if it was not acknowledged.
				goes := n%5 == 0 && n+4 <= last[w]+1
				gone := n%5 == 0 && n+4 <= last[w]
				switch {
				case found != 0 && found != crashBatch:
					t.Errorf("round %d: %d of %d keys of batch %d of writer %d", round, found, crashBatch, n, w)
				case gone && found != 0:
					t.Errorf("round %d: deleted batch %d of writer %d is back", round, n, w)
				case !goes && n <= last[w] && found == 0:
					t.Errorf("round %d: acknowledged batch %d of writer %d is lost (of %d)", round, n, w, last[w])
				}
			}
			batches += last[w] + 1 - start
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		checkFile(t, path)
		if t.Failed() {
			return
		}
		for w := range crashWriters {
			start = max(start, last[w]+2)
		}
	}
	t.Logf("%d kills, %d acknowledged batches of %d keys", rounds, batches, crashBatch)
}

func TestAKilledProcessLosesNoAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	testCrash(t, "always")
}

func TestAKilledProcessInIntervalModeLosesNothingEither(t *testing.T) {
	t.Parallel()
	testCrash(t, "interval")
}
