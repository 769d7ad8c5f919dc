package extlibs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

const (
	rssLimit = 32 << 20 // MaxMemoryBytes of the stores
	rssShape = "KV_TEST_RSS_SHAPE"
)

// rssUse is a use of a store; it continues until it has written so many bytes or keys that
// a leak would show.
type rssUse struct {
	h *extlibs.Handle
	r *rand.Rand
}

// set stores a value, and reports whether the store took it.
func (u *rssUse) set(key string, value any, ttl time.Duration) bool {
	err := u.h.Set(context.Background(), key, value, ttl)
	if err != nil && !errors.Is(err, extlibs.ErrFull) {
		panic(err)
	}
	return err == nil
}

func (u *rssUse) delete(key string) {
	if _, err := u.h.Delete(context.Background(), key); err != nil {
		panic(err)
	}
}

// fill stores keys until the store is full, and returns how many it took.
func (u *rssUse) fill(key func(i int) string, value any, ttl time.Duration) (n int) {
	for u.set(key(n), value, ttl) {
		if n++; n%64 == 0 && u.evicts() { // a cache is never full
			return n
		}
	}
	return n
}

// evicts reports whether the store has evicted keys as many as it holds.
func (u *rssUse) evicts() bool {
	s, err := u.h.Stats(context.Background())
	return err == nil && s.Evicted > s.Keys
}

func xs(n int) string { return strings.Repeat("x", n) }

func numbered(i int) string { return "k" + strconv.Itoa(i) }

func long(n int) func(i int) string {
	padding := xs(n - 8)
	return func(i int) string { return fmt.Sprintf("%08d", i) + padding }
}

// scattered returns keys whose order is not that of their numbers.
func scattered(n int) func(i int) string {
	padding := xs(max(0, n-16))
	return func(i int) string { return fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15) + padding }
}

const rssBytes = 6 * rssLimit // that a use writes at least

var rssShapes = map[string]func(u *rssUse){
	"small ints":                    func(u *rssUse) { u.fill(numbered, 1, 0) },
	"small ints in random order":    func(u *rssUse) { u.fill(scattered(16), 1, 0) },
	"small ints with a deadline":    func(u *rssUse) { u.fill(numbered, 1, time.Hour) },
	"texts of 100 bytes":            func(u *rssUse) { u.fill(scattered(16), xs(100), 0) },
	"texts just over a size class":  func(u *rssUse) { u.fill(numbered, xs(2049), 0) },
	"texts just over 32 KiB":        func(u *rssUse) { u.fill(numbered, xs(32<<10), 0) },
	"texts of 1 MiB":                func(u *rssUse) { u.fill(numbered, xs(1<<20), 0) },
	"keys of 32 KiB":                func(u *rssUse) { u.fill(long(32<<10), 1, 0) },
	"keys of 1,000 bytes":           func(u *rssUse) { u.fill(scattered(1000), 1, 0) },
	"keys of 4,000 bytes, backward": func(u *rssUse) { u.fill(func(i int) string { return long(4000)(9_999_999 - i) }, 1, 0) },
	"overwriting a full store": func(u *rssUse) {
		n := u.fill(numbered, xs(500), 0)
		for i := range rssBytes / 500 {
			u.set(numbered(i%n), xs(500-i%3), 0)
		}
	},
	"overwriting large values": func(u *rssUse) {
		n := u.fill(numbered, xs(100_000), 0)
		for i := range rssBytes / 100_000 {
			u.set(numbered(i%n), xs(100_000-i%3), 0)
		}
	},
	"long keys that come and go": func(u *rssUse) {
		for written, i := 0, 0; written < rssBytes; i++ {
			if key := long(30_000)(i); u.set(key, 1, 0) {
				written += len(key)
				if i >= 300 {
					u.delete(long(30_000)(i - 300))
				}
			}
		}
	},
	"short keys that remain among long ones": func(u *rssUse) {
		key := func(i int) string {
			if i%2 == 0 {
				return fmt.Sprintf("%08d", i/2)
			}
			return long(7000)(i / 2)
		}
		n := u.fill(key, 1, 0)
		for i := 1; i < n; i += 2 {
			u.delete(key(i))
		}
		u.fill(scattered(20), 1, 0)
	},
	"waves of long names that expire": func(u *rssUse) {
		u.fill(numbered, 1, 0)
		for i := range 200_000 {
			u.delete(numbered(i))
		}
		key, i := long(32<<10), 0
		for written := 0; written < 2*rssBytes; written += 32 << 10 {
			for !u.set(key(i), 1, time.Millisecond) {
				time.Sleep(time.Millisecond)
			}
			i++
		}
	},
	"waves of short names that expire": func(u *rssUse) {
		for i := range 600_000 {
			for !u.set("short-lived:"+scattered(16)(i), 1, time.Millisecond) {
				time.Sleep(time.Millisecond)
			}
		}
	},
	"expired keys, then large values": func(u *rssUse) {
		for i := range 300_000 {
			u.set(scattered(16)(i), 1, 50*time.Millisecond)
		}
		u.fill(numbered, xs(5000), 0)
	},
	"deleted keys, then large values": func(u *rssUse) {
		n := u.fill(scattered(16), 1, 0)
		for i := range n {
			u.delete(scattered(16)(i))
		}
		u.fill(numbered, xs(5000), 0)
	},
	"deadlines that change": func(u *rssUse) {
		n := u.fill(numbered, 1, time.Hour)
		for i := range 2 * n {
			u.set(numbered(i%n), 1, time.Hour+time.Duration(u.r.IntN(1_000_000))*time.Millisecond)
		}
	},
	"batches over and over": func(u *rssUse) {
		for round := range 12 {
			values := map[string]any{}
			for i := range 20_000 {
				values[numbered(i*7)] = xs(40 + round)
			}
			if err := u.h.SetMany(context.Background(), values, 0); err != nil && !errors.Is(err, extlibs.ErrFull) {
				panic(err)
			}
		}
	},
	"cleared over and over": func(u *rssUse) {
		for range 5 {
			u.fill(scattered(30), xs(300), 0)
			if err := u.h.Clear(context.Background()); err != nil {
				panic(err)
			}
		}
	},
	"counters": func(u *rssUse) {
		n := u.fill(numbered, 1, 0)
		for i := range 300_000 {
			if _, err := u.h.Incr(context.Background(), numbered(i%n), 1, 0); err != nil {
				panic(err)
			}
		}
	},
}

// rssPeak returns the most memory that this process has had, in bytes.
func rssPeak() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				panic(err)
			}
			return kib << 10
		}
	}
	panic("no VmHWM")
}

func runRSSShape(shape string) {
	shape, isCache := strings.CutPrefix(shape, "cache, ")
	name := ":memory:shape"
	if isCache {
		name = ":cache:shape"
	}
	r := newRegistry(extlibs.MaxMemoryBytes(rssLimit), extlibs.MaxCacheBytes(rssLimit), extlibs.SweepInterval(10*time.Millisecond))
	h, err := r.Open(context.Background(), name)
	if err != nil {
		panic(err)
	}
	before := rssPeak()
	if use := rssShapes[shape]; use != nil {
		use(&rssUse{h, rand.New(rand.NewPCG(1, 2))})
	}
	fmt.Println(rssPeak() - before)
	os.Exit(0)
}

// underRace reports whether the race detector multiplies what the process takes.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// What the process of a store takes, as the operating system counts it, stays within one
// and a half times MaxMemoryBytes, whatever is done with the store.
func TestAProcessStaysWithinItsLimitOfMemory(t *testing.T) {
	if shape := os.Getenv(rssShape); shape != "" {
		runRSSShape(shape)
	}
	if runtime.GOOS != "linux" || underRace() {
		t.Skip("reads VmHWM, which only Linux has, and the race detector multiplies")
	}
	n := 6
	if testing.Short() {
		n = 1
	}
	shapes := kvtest.SampleUnlessNightly(t, rssShapes, n)
	for _, shape := range kvtest.SampleUnlessNightly(t, rssShapes, n) {
		shapes = append(shapes, "cache, "+shape)
	}
	for _, shape := range shapes {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			c := exec.Command(os.Args[0], "-test.run", "^TestAProcessStaysWithinItsLimitOfMemory$")
			c.Env = append(os.Environ(), rssShape+"="+shape, "GOGC=100", "GOMEMLIMIT=off")
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			grown, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			t.Logf("%.2f times the limit", float64(grown)/rssLimit)
			if grown > rssLimit*3/2 {
				t.Errorf("%s: the process grew by %d bytes, %.2f times the limit", shape, grown, float64(grown)/rssLimit)
			}
		})
	}
}
