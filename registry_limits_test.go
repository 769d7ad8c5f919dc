package extlibs_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// dialTest is what the driver dialtest does at the moment.
var dialTest atomic.Pointer[func(context.Context, extlibs.OpenConfig) (extlibs.Store, error)]

func init() {
	extlibs.RegisterDriver("dialtest", func(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		return (*dialTest.Load())(ctx, c)
	})
}

func dialWith(open func(context.Context, extlibs.OpenConfig) (extlibs.Store, error)) {
	dialTest.Store(&open)
}

func TestADriverThatDialsHoldsUpNobodyElseAndDialsOnce(t *testing.T) {
	r := backends[0].registry(t)
	dials, arrived, goOn := atomic.Int32{}, make(chan struct{}), make(chan struct{})
	dialWith(func(ctx context.Context, _ extlibs.OpenConfig) (extlibs.Store, error) {
		if dials.Add(1) == 1 {
			close(arrived)
		}
		<-goOn
		return openMemory(ctx)
	})
	var handles [4]*extlibs.Handle
	var wg sync.WaitGroup
	for i := range handles {
		wg.Go(func() {
			name := []string{"dialtest://host/db", "DialTest://HOST/db"}[i%2]
			var err error
			if handles[i], err = r.Open(ctx, name); err != nil {
				t.Errorf("Open: %v", err)
			}
		})
	}
	<-arrived
	mustOpen(t, r, filepath.Join(t.TempDir(), "other.db"))
	mustOpen(t, r, ":memory:other")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := r.Open(ended, "dialtest://host/db"); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait with an ended context: %v", err)
	}
	close(goOn)
	wg.Wait()
	for _, h := range handles {
		if h != handles[0] {
			t.Error("two spellings of one URL, opened at once, are two stores")
		}
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d dials", n)
	}
}

func TestARegistryThatIsClosedDuringADialKeepsNothing(t *testing.T) {
	r := newRegistry()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	var dialed extlibs.Store
	dialWith(func(ctx context.Context, _ extlibs.OpenConfig) (extlibs.Store, error) {
		close(arrived)
		<-goOn
		var err error
		dialed, err = openMemory(ctx)
		return dialed, err
	})
	done := make(chan error)
	go func() {
		_, err := r.Open(ctx, "dialtest://host")
		done <- err
	}()
	<-arrived
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if err := <-done; !errors.Is(err, extlibs.ErrClosed) {
		t.Errorf("Open: %v", err)
	}
	if _, err := dialed.Len(ctx); !errors.Is(err, extlibs.ErrClosed) {
		t.Errorf("the store was left open: %v", err)
	}
}

func TestNoErrorNorNameShowsThePasswordOfAURL(t *testing.T) {
	r := backends[0].registry(t)
	const secret = "hush-hush"
	dialWith(func(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		if p, _ := c.URL.User.Password(); p != secret {
			t.Errorf("the driver got the password %q", p)
		}
		if c.Logger == nil || c.Clock == nil || c.MaxValueBytes == 0 || c.MaxOperationBytes == 0 || c.SweepInterval == 0 {
			t.Errorf("the driver got %+v", c)
		}
		if c.URL.Host == "down" {
			return nil, errors.New("no route to host")
		}
		return openMemory(ctx)
	})
	h := mustOpen(t, r, "dialtest://user:"+secret+"@host/db?token="+secret)
	if err := h.Set(ctx, "k", "text", 0); err != nil {
		t.Fatal(err)
	}
	_, down := r.Open(ctx, "dialtest://user:"+secret+"@down")
	_, malformed := r.Open(ctx, "dialtest://user:"+secret+"%zz@host")
	_, noDriver := r.Open(ctx, "dialtest2://user:"+secret+"@host")
	_, badIncr := h.Incr(ctx, "k", 1, 0)
	badInit := r.Init("dialtest://user:" + secret + "@[host")
	for name, err := range map[string]error{"down": down, "malformed": malformed, "no driver": noDriver, "incr": badIncr, "init": badInit} {
		var parse *url.Error
		if err == nil || strings.Contains(err.Error(), secret) || errors.As(err, &parse) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if shown := h.Name() + r.Var().String() + fmt.Sprint(r.Stores()[0].Name()); strings.Contains(shown, secret) || h.Name() != "dialtest://host/db" {
		t.Errorf("the names are %s", shown)
	}
	if other := mustOpen(t, r, "dialtest://other:"+secret+"@host/db"); other == h {
		t.Error("another user got the same store")
	}
}

func TestTheLimitOfStoresIsExactUnderRaces(t *testing.T) {
	t.Parallel()
	dialWith(func(ctx context.Context, _ extlibs.OpenConfig) (extlibs.Store, error) { return openMemory(ctx) })
	for range 20 {
		dir := t.TempDir()
		r := newRegistry(extlibs.MaxStores(4))
		var wg sync.WaitGroup
		for i := range 24 {
			name := []string{":memory:m", "dialtest://host/", filepath.Join(dir, "f")}[i%3] + fmt.Sprint(i)
			wg.Go(func() {
				if _, err := r.Open(ctx, name); err != nil && !errors.Is(err, extlibs.ErrFull) {
					t.Errorf("Open(%s): %v", name, err)
				}
			})
		}
		wg.Wait()
		if n := len(r.Stores()); n != 4 {
			t.Errorf("%d stores are open, want 4", n)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTheLimitOfKeysIsExactWhereExpiredKeysComeBackToLife(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		const limit = 10
		clock := newClock()
		h := b.open(t, clock.option(), extlibs.MaxKeys(limit), extlibs.SweepInterval(time.Hour))
		for round := range 10 {
			for i := range limit {
				if err := h.Set(ctx, fmt.Sprintf("%d-%d", round%2, i), 1, time.Second); err != nil {
					t.Fatal(err)
				}
			}
			clock.Advance(time.Minute)
			var wg sync.WaitGroup
			var stored atomic.Int64
			for i := range 3 * limit {
				wg.Go(func() {
					key := fmt.Sprintf("%d-%d", i%3, i/3)
					var err error
					if i%2 == 0 {
						err = h.SetMany(ctx, map[string]any{key: 2}, time.Second)
					} else {
						err = h.Set(ctx, key, 2, time.Second)
					}
					if err == nil {
						stored.Add(1)
					} else if !errors.Is(err, extlibs.ErrFull) {
						t.Errorf("%s: %v", key, err)
					}
					if n, err := h.Count(ctx, ""); n > limit || err != nil {
						t.Errorf("%d keys, %v; the limit is %d", n, err, limit)
					}
				})
			}
			wg.Wait()
			want := int64(limit)
			if b.cache {
				want = 3 * limit // it evicts others
			}
			if n, err := h.Count(ctx, ""); n != limit || stored.Load() != want || err != nil {
				t.Fatalf("%d keys were stored, %d are there, %v; the limit is %d", stored.Load(), n, err, limit)
			}
			clock.Advance(time.Minute)
		}
	})
}

func TestScriptsCreateAtMostSoManyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := backends[0].registry(t, extlibs.MaxCreatedFiles(2))
	mustOpen(t, r, filepath.Join(dir, "by the host.db"))
	printed := output(t, r, fmt.Sprintf(`
import scriptling.runtime.kv as kv
def attempt(i):
    try:
        s = kv.open(%q + "/" + str(i) + ".db")
        s.set("k", i)
        s.close()
        return "done"
    except OSError as e:
        return "full" if "MaxCreatedFiles" in str(e) else str(e)
print([attempt(i) for i in [0, 1, 2, 0, 1, 3, "by the host"]])
`, dir))
	if want := "[done, done, full, done, done, full, done]\n"; printed != want {
		t.Errorf("printed %s, want %s", printed, want)
	}
	if files, _ := os.ReadDir(dir); len(files) != 3 {
		t.Errorf("%d files", len(files))
	}
	if none := output(t, backends[0].registry(t, extlibs.MaxCreatedFiles(0)), fmt.Sprintf(`
import scriptling.runtime.kv as kv
kv.open(%q)
`, filepath.Join(dir, "new.db"))); !strings.Contains(none, "MaxCreatedFiles") {
		t.Errorf("with a limit of 0: %s", none)
	}
}

func TestOptionsOfInitApplyToTheStoresOpenedFromThenOn(t *testing.T) {
	r := backends[0].registry(t)
	must(t, r.Init("", extlibs.MaxKeys(1)))
	for _, h := range []*extlibs.Handle{r.Default(), mustOpen(t, r, ":memory:a")} {
		if err := h.SetMany(ctx, map[string]any{"a": 1, "b": 2}, 0); !errors.Is(err, extlibs.ErrFull) {
			t.Errorf("two keys in %s: %v", h.Name(), err)
		}
	}
}

func TestAURLWithABareSlashIsTheOneWithoutAPath(t *testing.T) {
	r := backends[0].registry(t)
	dialWith(func(ctx context.Context, _ extlibs.OpenConfig) (extlibs.Store, error) { return openMemory(ctx) })
	if mustOpen(t, r, "dialtest://host") != mustOpen(t, r, "dialtest://host/") {
		t.Error("they are two stores")
	}
}

func TestAnAbsentKeyIsAnErrorThatNamesCallStoreAndKey(t *testing.T) {
	h := mustOpen(t, backends[0].registry(t), ":memory:s")
	_, get := h.Get(ctx, "k")
	_, ttl := h.TTL(ctx, "k")
	_, pop := h.Pop(ctx, "k")
	_, typed := extlibs.Get[int](ctx, h, "k")
	for call, err := range map[string]error{"kv.get": errors.Join(get, typed), "kv.ttl": ttl, "kv.pop": pop} {
		want := call + `: store ":memory:s" has no key "k"`
		for _, line := range strings.Split(err.Error(), "\n") {
			if line != want || !errors.Is(err, extlibs.ErrNotFound) {
				t.Errorf("%q, want %q", line, want)
			}
		}
	}
}

func TestAFailedInitKeepsNoneOfItsOptions(t *testing.T) {
	r := backends[0].registry(t)
	for _, bad := range []string{filepath.Join(t.TempDir(), "none", "kv.db"), ":memory:x", "nosuch://host"} {
		if err := r.Init(bad, extlibs.MaxKeys(1), extlibs.MaxStores(1)); err == nil {
			t.Fatalf("Init(%q) succeeds", bad)
		}
	}
	for _, name := range []string{":memory:a", ":memory:b"} {
		if err := mustOpen(t, r, name).SetMany(ctx, map[string]any{"a": 1, "b": 2}, 0); err != nil {
			t.Error(err)
		}
	}
}

func TestTheZeroRegistryWorksAndANilOptionIsNone(t *testing.T) {
	var zero extlibs.Registry
	for name, r := range map[string]*extlibs.Registry{"zero": &zero, "nil option": newRegistry(nil, extlibs.Logger(nil))} {
		if err := r.Default().Set(ctx, "k", []any{1}, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := output(t, r, "import scriptling.runtime.kv as kv\nprint(kv.default.get('k'), kv.open(':memory:a').count())"); got != "[1] 0\n" {
			t.Errorf("%s: a script printed %q", name, got)
		}
		if s, err := r.Stats(ctx); err != nil || s.Keys != 1 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNamesThatAreTooLongAreRefusedAndNotQuotedWhole(t *testing.T) {
	r := backends[0].registry(t)
	mustOpen(t, r, ":memory:"+strings.Repeat("m", 1024))
	for name, kind := range map[string]error{
		":memory:" + strings.Repeat("m", 1025):  extlibs.ErrInvalid,
		":memory" + strings.Repeat("m", 32<<10): extlibs.ErrInvalid,
		strings.Repeat("f/", 16<<10):            nil,
		strings.Repeat("s", 32<<10) + "://host": extlibs.ErrInvalid,
	} {
		_, err := r.Open(ctx, name)
		if err == nil || kind != nil && !errors.Is(err, kind) || len(err.Error()) > 600 {
			t.Errorf("Open of %d bytes, %q...: %.700v", len(name), name[:10], err)
		}
	}
}

func TestATTLThatForgotItsUnitIsInvalid(t *testing.T) {
	h := backends[0].open(t)
	for _, ttl := range []time.Duration{1, 60, time.Millisecond - 1} {
		if err := h.Set(ctx, "k", 1, ttl); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("Set with a ttl of %d: %v", ttl, err)
		}
		if _, err := h.Expire(ctx, "k", ttl); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("Expire with a ttl of %d: %v", ttl, err)
		}
	}
	if err := h.Set(ctx, "k", 1, time.Millisecond); err != nil {
		t.Error(err)
	}
}

// hung is a backend that answers when its caller gives up.
type hung struct{ extlibs.Store }

func (hung) Len(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestStatsOfAHungBackendEndWithTheContext(t *testing.T) {
	dialWith(func(ctx context.Context, _ extlibs.OpenConfig) (extlibs.Store, error) {
		s, err := openMemory(ctx)
		return hung{s}, err
	})
	r := backends[0].registry(t)
	h := mustOpen(t, r, "dialtest://hung")
	if err := h.Set(ctx, "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.Default().Set(ctx, "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if s, err := h.Stats(short); !errors.Is(err, context.DeadlineExceeded) || s.Sets != 1 {
		t.Errorf("Stats of the store: %+v, %v", s, err)
	}
	if s, err := r.Stats(short); !errors.Is(err, context.DeadlineExceeded) || s.Sets != 2 || s.Keys != 1 {
		t.Errorf("Stats of the registry: %+v, %v", s, err)
	}
	if v := r.Var().String(); !strings.Contains(v, "dialtest://hung") {
		t.Errorf("Var is %s", v)
	}
}
