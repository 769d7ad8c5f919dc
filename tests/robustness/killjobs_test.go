package robustness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

const jobWorkers = 4

// In the process, while Compact runs: one caller adds jobs, workers wait for them and take
// each the first or the last one, and others move money. Each prints what was acknowledged.
func init() {
	programs["kill jobs"] = func(dir string, args ...string) {
		h := openToCrash(dir, args[0])
		failed := make(chan error)
		repeat := func(call func() error) {
			go func() {
				for {
					if err := call(); err != nil {
						failed <- err
						return
					}
				}
			}()
		}
		say := func(format string, args ...any) { os.Stdout.WriteString(fmt.Sprintf(format+"\n", args...)) }
		repeat(func() error {
			time.Sleep(time.Millisecond)
			return h.Compact(ctx)
		})
		n := 0
		repeat(func() error {
			jobs := map[string]any{}
			for range 1 + n%7 {
				jobs[fmt.Sprintf("job:%s:%08d", args[1], n)] = strings.Repeat("x", n%300)
				n++
			}
			err := h.SetMany(ctx, jobs, 0)
			for key := range jobs {
				if err == nil {
					say("added %s", key)
				}
			}
			return err
		})
		for w := range jobWorkers {
			repeat(func() error {
				item, err := h.PopFirst(ctx, extlibs.PopOptions{Prefix: "job:", Reverse: w%2 == 1, Wait: -1})
				if err == nil {
					say("taken %s", item.Key)
				}
				return err
			})
			key, random := crashReceipt(w), kvtest.ProcessRand(crashReceipt(w))
			repeat(func() error {
				old, err := readReceipt(h, key)
				if err != nil {
					return err
				}
				next := old.next(random)
				if err = transfer(h, key, old, next); err == nil {
					say("%s %d", key, next[accounts])
				}
				return err
			})
		}
		panic(<-failed)
	}
}

func crashReceipt(w int) string { return fmt.Sprintf("receipt:%d", w) }

// Jobs are taken at most once: a job that a killed process has taken stays taken, and one that
// it was about to take is taken or left. Transfers are complete or not made.
func TestAKilledProcessTakesNoJobTwiceAndLosesNoMoney(t *testing.T) {
	for _, mode := range []string{"always", "interval"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			random, rounds := kvtest.Rand(t), kvtest.Sized(3, 8, 100)
			waiting, taken, transfers := map[string]bool{}, map[string]bool{}, map[string]int{}
			for round := range rounds {
				after := time.Duration(random.Int64N(int64(80 * time.Millisecond)))
				for _, line := range killAfterFirstLine(t, random, after, "kill jobs", dir, mode, strconv.Itoa(round)) {
					what, of, ok := strings.Cut(line, " ")
					switch n, _ := strconv.Atoi(of); {
					case !ok:
						t.Fatalf("line %q", line)
					case what == "added":
						waiting[of] = true
					case what != "taken":
						transfers[what] = n
					case taken[of]:
						t.Errorf("round %d: %s is taken twice", round, of)
					default:
						taken[of] = true
					}
				}
				r := extlibs.NewRegistry()
				items, err := mustOpen(t, r, filepath.Join(dir, "kv.db")).Items(ctx, extlibs.ListOptions{})
				if err != nil {
					t.Fatal(err)
				}
				seen := map[string]string{}
				for _, i := range items {
					seen[i.Key] = i.Value.(string)
					if taken[i.Key] {
						t.Errorf("round %d: %s is taken, and is back", round, i.Key)
					}
				}
				lost := 0
				for key := range waiting {
					if _, ok := seen[key]; !ok {
						if delete(waiting, key); !taken[key] {
							taken[key] = true // by a worker that was killed before it said so
							lost++
						}
					}
				}
				if lost > jobWorkers {
					t.Errorf("round %d: %d workers have lost %d jobs", round, jobWorkers, lost)
				}
				var receipts []string
				for w := range jobWorkers {
					key := crashReceipt(w)
					receipts = append(receipts, key)
					rec, err := parseReceipt(seen[key])
					if n := rec[accounts]; err != nil || n < transfers[key] || n > transfers[key]+1 {
						t.Errorf("round %d: %s has %d transfers, %d were acknowledged (%v)", round, key, n, transfers[key], err)
					}
					transfers[key] = rec[accounts]
				}
				if err := checkBank(seen, receipts...); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
				if t.Failed() {
					return
				}
			}
			t.Logf("%d kills, %d jobs taken, %v transfers", rounds, len(taken), transfers)
		})
	}
}
