package extlibs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
)

// gatedStore is a store in a file whose transactions wait for the test.
type gatedStore struct {
	*boltStore
	path    string
	begun   chan struct{} // one for each transaction that is about to begin
	gate    chan error    // lets it go on, or fail
	commits atomic.Int64
}

func newGatedStore(t *testing.T) *gatedStore {
	t.Helper()
	file := filepath.Join(t.TempDir(), "store.db")
	s, err := openBolt(access.Location{Path: file}, newOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	g := &gatedStore{boltStore: s, path: file, begun: make(chan struct{}, 100), gate: make(chan error, 100)}
	update := s.c.update
	s.c.update = func(fn func(*boltfile.Tx) error) error {
		g.begun <- struct{}{}
		if err := <-g.gate; err != nil {
			return err
		}
		err := update(fn)
		if err == nil {
			g.commits.Add(1)
		}
		return err
	}
	t.Cleanup(func() {
		close(g.gate)
		s.Close()
	})
	return g
}

// set begins a write of key and returns the channel of its error.
func (g *gatedStore) set(ctx context.Context, op Op) chan error {
	done := make(chan error, 1)
	go func() {
		_, err := g.Apply(ctx, op)
		done <- err
	}()
	return done
}

// queued waits until n writes stand in the queue.
func (g *gatedStore) queued(n int) {
	for {
		g.c.mu.Lock()
		got := len(g.c.queue)
		g.c.mu.Unlock()
		if got == n {
			return
		}
		runtime.Gosched()
	}
}

func (g *gatedStore) has(t *testing.T, key string) bool {
	t.Helper()
	_, err := g.Load(t.Context(), key, NeedAll)
	if err != nil && !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func setOp(key string) Op { return Op{Kind: OpSet, Key: key, Value: encodeInt(1)} }

func TestWritesThatWaitShareOneCommit(t *testing.T) {
	g := newGatedStore(t)
	first := g.set(t.Context(), setOp("first"))
	<-g.begun
	var rest []chan error
	for i := range 30 {
		rest = append(rest, g.set(t.Context(), setOp(fmt.Sprint(i))))
	}
	g.queued(30)
	select {
	case err := <-first:
		t.Fatalf("a write was acknowledged before its commit: %v", err)
	default:
	}
	if g.has(t, "first") {
		t.Error("a write is seen before its commit")
	}
	g.gate <- nil
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	<-g.begun
	g.gate <- nil
	for i, done := range rest {
		if err := <-done; err != nil || !g.has(t, fmt.Sprint(i)) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if n := g.commits.Load(); n != 2 || statsOf(t, g).Commits != 2 {
		t.Errorf("31 writes took %d commits, and stats say %d; want 2", n, statsOf(t, g).Commits)
	}
}

func TestAWriteThatFailsLeavesTheOthersOfItsCommitAlone(t *testing.T) {
	g := newGatedStore(t)
	first := g.set(t.Context(), Op{Kind: OpSet, Key: "max", Value: encodeInt(math.MaxInt64)})
	<-g.begun
	bad := g.set(t.Context(), Op{Kind: OpIncr, Key: "max", Value: encodeInt(1)})
	good := []chan error{g.set(t.Context(), setOp("a")), g.set(t.Context(), setOp("b"))}
	batch := make(chan error, 1)
	go func() {
		_, err := g.ApplyMany(t.Context(), []Op{setOp("c"), {Kind: OpIncr, Key: "max", Value: encodeInt(1)}})
		batch <- err
	}()
	g.queued(4)
	g.gate <- nil
	<-g.begun
	g.gate <- nil
	if err := <-bad; !errors.Is(err, ErrOverflow) {
		t.Errorf("the overflow: %v", err)
	}
	if err := <-batch; !errors.Is(err, ErrOverflow) || g.has(t, "c") {
		t.Errorf("the batch with an overflow: %v, its set is done: %v", err, g.has(t, "c"))
	}
	for _, done := range append(good, first) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if !g.has(t, "a") || !g.has(t, "b") || g.commits.Load() != 2 {
		t.Errorf("a: %v, b: %v, %d commits", g.has(t, "a"), g.has(t, "b"), g.commits.Load())
	}
}

func TestWhereACommitFailsEachWriteIsTriedAlone(t *testing.T) {
	g := newGatedStore(t)
	first := g.set(t.Context(), setOp("first"))
	<-g.begun
	dones := map[string]chan error{}
	for _, key := range []string{"a", "b", "c"} {
		dones[key] = g.set(t.Context(), setOp(key))
	}
	g.queued(3)
	broken := errors.New("the disk is broken")
	g.gate <- nil    // the first write
	g.gate <- broken // the three together
	g.gate <- nil    // and each of them
	g.gate <- broken
	g.gate <- nil
	failed := 0
	for key, done := range dones {
		err := <-done
		if err != nil {
			failed++
			if !errors.Is(err, broken) {
				t.Errorf("%s: %v", key, err)
			}
		}
		if (err == nil) != g.has(t, key) {
			t.Errorf("%s ended with %v but is there: %v", key, err, g.has(t, key))
		}
	}
	if err := <-first; err != nil || failed != 1 {
		t.Errorf("%d writes failed, want 1; the first: %v", failed, err)
	}
}

func TestAWriteCancelledInTheQueueIsNotDone(t *testing.T) {
	g := newGatedStore(t)
	first := g.set(t.Context(), setOp("first"))
	<-g.begun
	ctx, cancel := context.WithCancel(t.Context())
	waiting := g.set(ctx, setOp("waiting"))
	g.queued(1)
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) || errors.Is(err, ErrCommitUnknown) {
		t.Errorf("the cancelled write: %v", err)
	}
	last := g.set(t.Context(), setOp("last"))
	g.queued(2)
	g.gate <- nil
	g.gate <- nil
	if err := errors.Join(<-first, <-last); err != nil {
		t.Fatal(err)
	}
	if g.has(t, "waiting") {
		t.Error("the cancelled write is done")
	}
}

func TestAWriteCancelledInItsCommitIsErrCommitUnknown(t *testing.T) {
	g := newGatedStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	running := g.set(ctx, setOp("running"))
	<-g.begun
	cancel()
	if err := <-running; !errors.Is(err, ErrCommitUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled write: %v", err)
	}
	g.gate <- nil
	g.gate <- nil
	if err := <-g.set(t.Context(), setOp("last")); err != nil || !g.has(t, "last") {
		t.Errorf("the next write: %v", err)
	}
}

func TestCloseCommitsWhatIsQueued(t *testing.T) {
	g := newGatedStore(t)
	var dones []chan error
	dones = append(dones, g.set(t.Context(), setOp("0")))
	<-g.begun
	for i := 1; i < 5; i++ {
		dones = append(dones, g.set(t.Context(), setOp(fmt.Sprint(i))))
	}
	g.queued(4)
	closed := make(chan error)
	go func() { closed <- g.Close() }()
	g.gate <- nil
	g.gate <- nil
	for i, done := range dones {
		if err := <-done; err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := <-g.set(t.Context(), setOp("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("a write after Close: %v", err)
	}
	s, err := openBolt(access.Location{Path: g.path}, newOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n, err := s.Len(t.Context()); n != 5 || err != nil {
		t.Errorf("after opening again Len is %d, %v", n, err)
	}
}

func TestAWriteThatChangesNothingTakesNoCommit(t *testing.T) {
	g := newGatedStore(t)
	for range 10 {
		g.gate <- nil
	}
	if err := <-g.set(t.Context(), setOp("k")); err != nil {
		t.Fatal(err)
	}
	for _, op := range []Op{
		{Kind: OpAdd, Key: "k", Value: encodeInt(2)},
		{Kind: OpSwap, Key: "k", Old: encodeInt(9), Value: encodeInt(2)},
		{Kind: OpDelete, Key: "absent"},
		{Kind: OpExpire, Key: "absent", TTL: 1},
	} {
		if err := <-g.set(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	if n := g.commits.Load(); n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
}
