//go:build linux && amd64

package robustness

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/tests/robustness/powercut"
)

func statesOfTest(n int) int {
	switch {
	case testing.Short():
		return n / 10
	case raceDetector:
		return n / 5
	}
	return n
}

// reader opens the store in a folder, as it would be at a time, and returns all
// that it holds.
type reader func(dir string, at time.Time) (map[string]string, error)

var readers = map[string]reader{"store": readStore, "moved": readMoved, "owned": readOwned, "log": readLog, "bank": readBank}

// readStore also makes sure that what the store counts, lists and reads agrees,
// and that it is whole after an orderly end.
func readStore(dir string, at time.Time) (seen map[string]string, err error) {
	for range 2 {
		r := extlibs.NewRegistry(extlibs.Clock(func() time.Time { return at }), extlibs.SweepInterval(time.Hour))
		h, err := r.Open(ctx, filepath.Join(dir, "kv.db"))
		if err != nil {
			return nil, err
		}
		items, err := h.Items(ctx, extlibs.ListOptions{})
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		count, err := h.Count(ctx, "*")
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		if err := r.Close(); err != nil {
			return nil, err
		}
		if count != len(items) {
			return nil, fmt.Errorf("the store counts %d keys and lists %d", count, len(items))
		}
		again := map[string]string{}
		for _, i := range items {
			again[i.Key] = i.Value.(string)
		}
		if seen != nil && len(seen) != len(again) {
			return nil, fmt.Errorf("opened again it has %d keys, not %d", len(again), len(seen))
		}
		seen = again
	}
	return seen, nil
}

// job is a state to be checked.
type job struct {
	state  powercut.State
	moment *moment
	where  string
}

// examination looks at states.
type examination struct {
	read   string // a reader
	random *rand.Rand
	keep   func() (dir string, err error)

	mu     sync.Mutex
	seen   map[uint64]int // -> notes at that time
	states int
	wrong  []string
}

func newExamination(t testing.TB, read string) *examination {
	return &examination{read: cmp.Or(read, "store"), random: kvtest.Rand(t), keep: func() (string, error) { return kvtest.Keep(t) }}
}

// events cuts the power before events of a record that change something, with KV_NIGHTLY
// before each, and looks at about n states in all. It returns some of them.
func (x *examination) events(t testing.TB, h *history, events []powercut.Event, from, n int) (some []job) {
	x.seen = map[uint64]int{}
	cuts := 1
	for i := range events[from:] {
		if events[from+i].Changes() {
			cuts++
		}
	}
	jobs := make(chan job)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		dir := memoryDir(t)
		workers.Go(func() {
			for j := range jobs {
				if err := x.look(dir, j); err != nil {
					x.found(j, err)
				}
			}
		})
	}
	disk := powercut.NewDisk()
	notes, done, examined := 0, 0, 0
	for i := 0; i <= len(events); i++ {
		if i >= from && (i == len(events) || events[i].Changes()) {
			at := int64(0)
			if i > 0 {
				at = events[i-1].At
			}
			m := h.now(at)
			done++
			var states []powercut.State
			if share := n*done/cuts - examined; share >= 2 || kvtest.Nightly() { // else not every cut is checked
				states = disk.States(x.random, max(share, 2))
			}
			for _, s := range states {
				sum := s.Hash()
				if last, ok := x.seen[sum]; ok && last == notes {
					continue
				}
				x.seen[sum] = notes
				examined++
				j := job{s, m, fmt.Sprintf("cut before event %d of %d", i, len(events))}
				if x.random.IntN(examined) < 4 {
					some = append(some, j)
				}
				jobs <- j
			}
		}
		if i == len(events) {
			break
		}
		if err := h.add(&events[i]); err != nil {
			x.mu.Lock()
			x.wrong = append(x.wrong, fmt.Sprintf("event %d: %v", i, err))
			x.mu.Unlock()
			break
		}
		if !events[i].Changes() {
			notes++
		}
		disk.Play(&events[i])
	}
	close(jobs)
	workers.Wait()
	x.states += examined
	return some
}

// look opens one state.
func (x *examination) look(dir string, j job) error {
	if err := fill(dir, j.state.Files); err != nil {
		return err
	}
	if len(j.state.Files) == 0 { // nothing but a folder: the store was never there
		return j.moment.check(nil)
	}
	return x.check(dir, j)
}

// check compares the store in a folder with what it may hold.
func (x *examination) check(dir string, j job) error {
	if err := j.moment.leave(dir, j.state.Files); err != nil {
		return err
	}
	seen, err := readers[x.read](dir, time.Unix(0, j.moment.at))
	if err != nil {
		return err
	}
	return j.moment.check(seen)
}

// fill makes a folder hold some files and nothing else.
func fill(dir string, files map[string]*powercut.Image) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	for name, content := range files {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if err := errors.Join(content.WriteTo(f), own(f, content.Attrs), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// process is a program that uses the store of a workload.
type process struct {
	program string
	args    []string
	fail    func(powercut.Call) syscall.Errno
	kill    func(powercut.Call) bool
	mounts  bool // it mounts the file by itself
}

// workload is what is done to a store, by processes one after the other, and
// what must be there whenever the power is cut.
type workload struct {
	processes func(random *rand.Rand) []process
	uncut     int           // the first processes are not of interest
	again     *process      // after some of the cuts, which is then cut itself
	mayLose   time.Duration // acknowledged writes of the last of it
	read      string        // a reader; "": of a store
	mounts    bool          // a process mounts the file by itself
}

// Of each run of a workload so many states are checked, and so many are lived
// on from. A run takes as long as a hundred states.
const (
	statesOfRun = 500
	livesOfRun  = 2
)

// cut runs a workload as often as it takes to look at n states.
func (w *workload) cut(t testing.TB, n int) *examination {
	x := newExamination(t, w.read)
	w.cutInto(t, x, n)
	return x
}

func (w *workload) cutInto(t testing.TB, x *examination, n int) {
	runs := 0
	for x.states < n {
		runs++
		dir := memoryDir(t)
		r, err := powercut.NewRecorder(dir)
		if err != nil {
			t.Fatal(err)
		}
		from := 0
		for i, p := range w.processes(x.random) {
			if err := p.run(r, dir, x.random); err != nil {
				t.Fatal(err)
			}
			if i < w.uncut {
				from = len(r.Events)
			}
		}
		if x.wrong != nil {
			break
		}
		some := x.events(t, newHistory(w.mayLose), r.Events, from, min(statesOfRun, n))
		os.RemoveAll(dir)
		for i := 0; w.again != nil && x.wrong == nil && i < min(livesOfRun, len(some)); i++ {
			w.live(t, x, some[i], min(statesOfRun, n)/livesOfRun)
		}
	}
	t.Logf("%d states of %d runs", x.states, runs)
}

// live continues from a state that was found to be right, and looks at n states.
func (w *workload) live(t testing.TB, x *examination, j job, n int) {
	dir := memoryDir(t)
	if err := fill(dir, j.state.Files); err != nil {
		t.Fatal(err)
	}
	r, err := powercut.NewRecorder(dir)
	if err != nil {
		t.Fatal(err)
	}
	from := len(r.Events)
	if err := w.again.run(r, dir, x.random); err != nil {
		t.Fatalf("after %s, %s: %v", j.where, j.state.What, err)
	}
	h := newHistory(w.mayLose)
	h.alone, h.kept = j.moment.alone, j.moment.kept
	for name, worlds := range j.moment.allowed {
		h.writers[name] = &timeline{steps: []step{{j.moment.at, worlds}}}
	}
	x.events(t, h, r.Events, from, n)
	os.RemoveAll(dir)
}

func (p *process) run(r *powercut.Recorder, dir string, random *rand.Rand) error {
	r.Fail, r.Kill, r.Mounts = p.fail, p.kill, p.mounts
	argv, env := program(p.program, dir, p.args...)
	_, err := r.Run(argv, kvtest.ChildEnv(env, random))
	return err
}
