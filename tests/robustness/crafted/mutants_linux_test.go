package crafted

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// What one mutant may take.
const (
	mutantCPU    = time.Second      // of the process's time: others may be using the machine
	mutantWall   = 20 * time.Second // of the clock's
	mutantMemory = 256 << 20        // bytes, of the whole process
)

var ctx = context.Background()

func valueOf(key string) string { return strings.Repeat(key+"/", 12+len(key)%7) }

// fillMutable fills a store with what a file can hold: branches, leaves, values
// of several pages, deadlines, free pages.
func fillMutable(h *extlibs.Handle, keys int) error {
	for from := 0; from < keys; from += 2000 {
		plain, dying := map[string]any{}, map[string]any{}
		for i := from; i < min(keys, from+2000); i++ {
			key := fmt.Sprintf("key:%06d", i)
			if i%4 == 0 {
				dying[key] = valueOf(key)
			} else {
				plain[key] = valueOf(key)
			}
		}
		if err := errors.Join(h.SetMany(ctx, plain, 0), h.SetMany(ctx, dying, time.Hour)); err != nil {
			return err
		}
	}
	for i := range 6 {
		key := fmt.Sprintf("large:%d", i)
		if err := h.Set(ctx, key, strings.Repeat(valueOf(key), 150), time.Duration(i%2)*time.Hour); err != nil {
			return err
		}
	}
	var gone []string
	for i := keys / 3; i < keys/3+keys/10; i++ {
		gone = append(gone, fmt.Sprintf("key:%06d", i))
	}
	_, err := h.DeleteMany(ctx, gone)
	return err
}

func contentOf(h *extlibs.Handle) (map[string]any, error) {
	all := map[string]any{}
	items, err := h.Items(ctx, extlibs.ListOptions{})
	for _, item := range items {
		all[item.Key] = item.Value
	}
	return all, err
}

// errLie is an answer that is neither what was stored nor an error.
var errLie = errors.New("wrong answer")

func lie(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errLie}, args...)...)
}

// use does to a store all that programs do, and compares each answer with the
// truth, which it keeps up to date.
func use(h *extlibs.Handle, truth map[string]any, m *mutant) error {
	var errs []error
	note := func(err error) {
		if err != nil && len(errs) < 20 {
			errs = append(errs, err)
		}
	}
	check := func(key string, got any, err error) {
		want, there := truth[key]
		switch {
		case slices.Contains(m.forged, key):
		case errors.Is(err, extlibs.ErrNotFound):
			if there {
				note(lie("no %.20q", key))
			}
		case err != nil:
			note(err)
		case !there || got != want:
			note(lie("get %.20q", key))
		}
	}
	keys := slices.Sorted(maps.Keys(truth))
	look := func() {
		for i := 0; i < len(keys); i += max(1, len(keys)/150) {
			got, err := h.Get(ctx, keys[i])
			check(keys[i], got, err)
		}
		got, err := h.Get(ctx, keys[0]+"!")
		check(keys[0]+"!", got, err)
		all, err := contentOf(h)
		note(err)
		for key, value := range all {
			check(key, value, nil)
		}
		if err == nil && len(all) != len(truth) && m.forged == nil {
			note(lie("%d keys of %d", len(all), len(truth)))
		}
		n, err := h.Count(ctx, "*")
		note(err)
		if err == nil && n != len(truth) && !m.counts {
			note(lie("count is %d, not %d", n, len(truth)))
		}
	}
	look()
	set := func(key string, ttl time.Duration) {
		// Whether a write with an uncertain error was done is unknown.
		switch err := h.Set(ctx, key, valueOf(key)+"new", ttl); {
		case err == nil:
			truth[key] = valueOf(key) + "new"
		default:
			note(err)
		}
	}
	for i := range 12 {
		at := i * (len(keys) - 1) / 11
		set(keys[at], time.Duration(i%3)*time.Hour)
		set(keys[at]+"+", time.Duration(i%2)*time.Hour)
		if gone := keys[min(at+1, len(keys)-1)]; i%2 == 0 {
			if _, err := h.Delete(ctx, gone); err == nil {
				delete(truth, gone)
			} else {
				note(err)
			}
		}
	}
	var many []string
	for i := len(keys) / 4; i < len(keys)/4+len(keys)/12; i++ { // whole leaves, for their neighbours to take over
		many = append(many, keys[i])
	}
	if _, err := h.DeleteMany(ctx, many); err == nil {
		for _, key := range many {
			delete(truth, key)
		}
	} else {
		note(err)
	}
	look()
	return errors.Join(errs...)
}

// named reports whether each error is one that programs can tell apart.
func named(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if !named(e) {
				return false
			}
		}
		return true
	}
	for _, kind := range []error{extlibs.ErrCorrupt, extlibs.ErrFormat, extlibs.ErrFull, extlibs.ErrCommitUnknown, errLie} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// limitMemory bounds what the process may write to, beside files that it maps.
func limitMemory() {
	if raceDetector {
		return
	}
	const rlimitData = 2
	if err := syscall.Setrlimit(rlimitData, &syscall.Rlimit{Cur: mutantMemory, Max: mutantMemory}); err != nil {
		panic(err)
	}
}

// In the child: args are the file, the first mutant, the one after the last.
// Lines printed are "AT number what" before each, "BAD ..." and the counts.
func init() {
	children["mutants"] = func(args []string) {
		limitMemory()
		base, err := os.ReadFile(args[0])
		if err != nil {
			panic(err)
		}
		from, _ := strconv.Atoi(args[1])
		to, _ := strconv.Atoi(args[2])
		r := extlibs.NewRegistry()
		h, err := r.Open(ctx, args[0])
		if err != nil {
			panic(err)
		}
		truth, err := contentOf(h)
		if err := errors.Join(err, h.Close()); err != nil {
			panic(err)
		}
		var began, beganCPU atomic.Int64
		go func() {
			for range time.Tick(20 * time.Millisecond) {
				since := began.Load()
				if since == 0 {
					continue
				}
				wall, cpu := time.Duration(time.Now().UnixNano()-since), cpuTime()-time.Duration(beganCPU.Load())
				if cpu > mutantCPU || wall > mutantWall {
					fmt.Printf("BAD hung: %v, %v of the processors\n", wall, cpu)
					var b [1 << 16]byte
					os.Stderr.Write(b[:runtime.Stack(b[:], true)])
					os.Exit(3)
				}
			}
		}()
		path := filepath.Join(filepath.Dir(args[0]), "mutant.db")
		refused, found, harmless := 0, 0, 0
		for number := from; number < to; number++ {
			m := mutate(base, uint64(number))
			fmt.Println("AT", number, m.what)
			os.Remove(path)
			if err := os.WriteFile(path, m.content, 0o600); err != nil {
				panic(err)
			}
			beganCPU.Store(int64(cpuTime()))
			began.Store(time.Now().UnixNano())
			mine := maps.Clone(truth)
			err := error(nil)
			opened := false
			for range 2 { // the second time, what the first has written counts
				var h *extlibs.Handle
				if h, err = r.Open(ctx, path); err != nil {
					break
				}
				opened = true
				err = use(h, mine, &m)
				if number%8 == 0 && err == nil {
					if err = h.Clear(ctx); err == nil {
						if all, e := contentOf(h); e != nil || len(all) > 0 {
							err = lie("%d keys after clear, %v", len(all), e)
						}
					}
				}
				// Damage that the log's way into the file meets is found as late as here.
				if e := h.Close(); e != nil && !errors.Is(e, extlibs.ErrCorrupt) {
					fmt.Println("BAD", number, m.what, "close:", e)
				} else if err == nil {
					err = e
				}
				if err != nil || number%8 == 0 {
					break
				}
			}
			began.Store(0)
			switch {
			case err == nil:
				harmless++
			case errors.Is(err, errLie) && m.older:
				harmless++
			case errors.Is(err, errLie):
				fmt.Printf("BAD %d %s: %.300q\n", number, m.what, err.Error())
			case !named(err) && !errors.Is(err, fs.ErrNotExist):
				fmt.Printf("BAD %d %s: no name: %.300q\n", number, m.what, err.Error())
			case opened:
				found++
			default:
				refused++
			}
		}
		fmt.Println("SUM", refused, found, harmless)
	}
}

// testMutants tries mutants of a file of so many keys, in children: one that
// dies is followed by another, which begins with the next mutant.
func testMutants(t *testing.T, keys, n int) {
	base, _ := baseFile(t, keys)
	from := 0
	if kvtest.Nightly() { // others each night
		from = int(kvtest.Seed(t) >> 8 & math.MaxInt32)
	}
	bad, refused, found, harmless := 0, 0, 0, 0
	complain := func(format string, args ...any) {
		t.Helper()
		if bad++; bad <= 20 {
			t.Errorf(format, args...)
		}
	}
	for at, end := from, from+n; at < end; {
		cmd := child("mutants", base, strconv.Itoa(at), strconv.Itoa(end))
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		last, hung := "", ""
		for lines := bufio.NewScanner(out); lines.Scan(); {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "AT "):
				last = line
			case strings.HasPrefix(line, "BAD hung"):
				hung = line
			case strings.HasPrefix(line, "BAD"):
				complain("%s", line)
			case strings.HasPrefix(line, "SUM"):
				var a, b, c int
				fmt.Sscanf(line, "SUM %d %d %d", &a, &b, &c)
				refused, found, harmless = refused+a, found+b, harmless+c
				at = end
			}
		}
		if err := cmd.Wait(); err != nil {
			lines := linesOf(stderr.String())
			complain("%s: the process died: %v %s\n%s", last, err, hung, strings.Join(lines[:min(len(lines), 30)], "\n"))
			if _, err := fmt.Sscanf(last, "AT %d", &at); err != nil {
				t.Fatal("it died before the first mutant")
			}
			at++
		}
	}
	if bad > 20 {
		t.Errorf("and %d more", bad-20)
	}
	t.Logf("%d bytes: %d refused, %d found later, %d harmless, %d bad", len(baseBytes(t, keys)), refused, found, harmless, bad)
}

func TestAMutantOfASmallFileIsRefusedOrRight(t *testing.T) {
	t.Parallel()
	testMutants(t, 600, kvtest.Sized(50, 150, 3000))
}

func TestAMutantOfALargeFileIsRefusedOrRightOrAnError(t *testing.T) {
	t.Parallel()
	kvtest.OnceIn(t, 3)
	testMutants(t, largeKeys, kvtest.Sized(5, 15, 300))
}
