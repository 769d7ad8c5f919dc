package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/storetest"
)

func set(key string, v any) extlibs.Op {
	value, err := extlibs.Encode(v)
	if err != nil {
		panic(err)
	}
	return extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: value}
}

// TestTheScriptsDoWhatNextSays applies random operations to a store and to the model of
// storetest, whose tests compare it with Op.Next.
func TestTheScriptsDoWhatNextSays(t *testing.T) {
	t.Parallel()
	operations := kvtest.Sized(4000, 100_000, 1_000_000)
	s := startServer(t)
	st := open(t, s.url(newName()))
	r := kvtest.Rand(t)
	values := []any{
		int64(0), int64(1), int64(-1), int64(999_999_999), int64(1_000_000_000), int64(-1_000_000_001), int64(math.MaxInt64), int64(math.MinInt64),
		int64(1 << 53), 0.1, -2.5, 1e300, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0xfff80000deadbeef), math.Copysign(0, -1), "text", "", "12", "!", true, nil, []any{int64(1)}, []byte("#"),
	}
	if s.mini != nil { // whose Lua knows no negative zero
		values[slices.IndexFunc(values, func(v any) bool { return v == 0.0 })] = 0.25
	}
	pick := func() extlibs.Value { return set("", values[r.IntN(len(values))]).Value }
	number := func() extlibs.Value {
		if r.IntN(3) == 0 {
			return set("", r.Int64()-r.Int64()).Value
		}
		return set("", values[r.IntN(17)]).Value
	}
	model := storetest.NewModel()
	for i, done := 0, 0; done < operations; i++ {
		n := 1
		if r.IntN(3) == 0 {
			n = 1 + r.IntN(6)
		}
		done += n
		onlySets := r.IntN(8) == 0
		ops := make([]extlibs.Op, n)
		next := model.Clone()
		for j := range ops {
			op := extlibs.Op{Kind: extlibs.OpKind(1 + r.IntN(int(extlibs.OpSetKeepTTL))), Key: string(rune('a' + r.IntN(4))), Value: pick(), NeedOld: r.IntN(2) == 0}
			if op.Kind == extlibs.OpIncr || op.Kind == extlibs.OpIncrInt {
				op.Value = number()
				if op.Kind == extlibs.OpIncrInt {
					op.Value = set("", r.Int64()).Value
				}
			}
			old, _ := next.Load(op.Key)
			op.Old = old.Value
			if r.IntN(2) == 0 || op.Kind == extlibs.OpDeleteIf && op.Old.IsZero() {
				op.Old = pick()
			}
			if r.IntN(3) == 0 {
				op.TTL = time.Hour
			}
			if onlySets {
				op.Kind, op.Value, op.TTL, op.NeedOld = extlibs.OpSet, pick(), ops[0].TTL, false
			}
			ops[j] = op
			next.Apply(op) // one that fails changes nothing
		}
		want, failed := model.ApplyMany(ops)
		var got []extlibs.Result
		var err error
		if n == 1 {
			var one extlibs.Result
			one, err = st.Apply(t.Context(), ops[0])
			got = []extlibs.Result{one}
		} else {
			got, err = st.ApplyMany(t.Context(), ops)
		}
		if (err != nil) != (failed != nil) {
			t.Fatalf("round %d: %v, want %v", i, err, failed)
		}
		if failed != nil {
			for _, kind := range []error{extlibs.ErrType, extlibs.ErrOverflow, extlibs.ErrInvalid} {
				if errors.Is(failed, kind) != errors.Is(err, kind) {
					t.Fatalf("round %d: %v, want %v", i, err, failed)
				}
			}
			continue
		}
		for j := range got {
			if got[j] != want[j] {
				t.Fatalf("round %d, operation %d of kind %d with %s: %t %s %s, want %t %s %s", i, j, ops[j].Kind, show(ops[j].Value),
					got[j].Applied, show(got[j].Old), show(got[j].New), want[j].Applied, show(want[j].Old), show(want[j].New))
			}
		}
	}
	entries, err := st.LoadMany(t.Context(), []string{"a", "b", "c", "d"}, extlibs.NeedValue)
	if keys := model.Keys(); err != nil || len(entries) != len(keys) {
		t.Fatalf("%d keys (%v), want %d", len(entries), err, len(keys))
	}
	for _, e := range entries {
		if want, _ := model.Load(e.Key); e.Value != want.Value {
			t.Errorf("%q differs", e.Key)
		}
	}
}

// show writes a value of a test.
func show(v extlibs.Value) string {
	if v.IsZero() {
		return "nothing"
	}
	return fmt.Sprintf("%x", v.Raw())
}

// proxy passes connections on to a server and can cut them.
type proxy struct {
	net.Listener
	to string

	mu  sync.Mutex
	cut string // "before": the next request is dropped; "after": its answer is
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			go p.pipe(server, client, "before")
			go p.pipe(client, server, "after")
		}
	}()
	return p
}

func (p *proxy) pipe(dst, src net.Conn, when string) {
	defer dst.Close()
	defer src.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := src.Read(b)
		p.mu.Lock()
		cut := n > 0 && p.cut == when
		if cut {
			p.cut = ""
		}
		p.mu.Unlock()
		if cut {
			return
		}
		if n > 0 {
			if _, err := dst.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) cutNext(when string) {
	p.mu.Lock()
	p.cut = when
	p.mu.Unlock()
}

func TestACutNeverAppliesAWriteTwice(t *testing.T) {
	s := startServer(t)
	p := startProxy(t, s.addr)
	h := openHandle(t, "redis://"+p.Addr().String()+"/0/"+newName(), extlibs.SweepInterval(time.Hour))
	if _, err := h.Incr(t.Context(), "n", 1, 0); err != nil {
		t.Fatal(err)
	}
	least, most := int64(1), int64(1)
	for i := range 40 {
		when := "before"
		if i%2 == 0 {
			when = "after"
		}
		p.cutNext(when)
		_, err := h.Incr(t.Context(), "n", 1, 0)
		switch {
		case err == nil:
			least++
			most++
		case errors.Is(err, extlibs.ErrCommitUnknown):
			most++
		case errors.Is(err, extlibs.ErrUnavailable):
		default:
			t.Fatalf("cut %s: %v", when, err)
		}
		p.cutNext("")
		var v any
		for range 100 { // the client connects again
			if v, err = h.Get(t.Context(), "n"); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if err != nil {
			t.Fatalf("after a cut: %v", err)
		}
		if n := v.(int64); n < least || n > most {
			t.Fatalf("the counter is %d after %d to %d additions", n, least, most)
		}
	}
}

// Before the request has come to the server nothing is done, after it all is; the
// caller is told that it does not know, or that it is not done.
func TestACutOfEachCallLeavesAllOfItOrNothing(t *testing.T) {
	s := startServer(t)
	p := startProxy(t, s.addr)
	name := newName()
	h := openHandle(t, "redis://"+p.Addr().String()+"/0/"+name, extlibs.SweepInterval(time.Hour))
	direct := openHandle(t, s.url(name), extlibs.SweepInterval(time.Hour))
	op := func(kind extlibs.OpKind, change func(*extlibs.Op)) func(context.Context, extlibs.Store) error {
		return func(ctx context.Context, st extlibs.Store) error {
			o := set("a", 7)
			o.Kind, o.NeedOld = kind, true
			if change != nil {
				change(&o)
			}
			_, err := st.Apply(ctx, o)
			return err
		}
	}
	one := set("", 1).Value
	both := []extlibs.Op{set("a", 8), set("b", 9)}
	calls := []struct {
		name string
		call func(context.Context, extlibs.Store) error
		want string // what the store holds then; it held map[a:1 c:text]
	}{
		{"Load", func(ctx context.Context, st extlibs.Store) error {
			_, err := st.Load(ctx, "a", extlibs.NeedAll)
			return err
		}, ""},
		{"LoadMany", func(ctx context.Context, st extlibs.Store) error {
			_, err := st.LoadMany(ctx, []string{"a", "c"}, extlibs.NeedAll)
			return err
		}, ""},
		{"Scan", func(ctx context.Context, st extlibs.Store) error {
			_, err := st.Scan(ctx, extlibs.Range{Need: extlibs.NeedAll})
			return err
		}, ""},
		{"Len", func(ctx context.Context, st extlibs.Store) error { _, err := st.Len(ctx); return err }, ""},
		{"set", func(ctx context.Context, st extlibs.Store) error { _, err := st.Apply(ctx, set("a", 7)); return err }, "map[a:7 c:text]"},
		{"set with a ttl", op(extlibs.OpSet, func(o *extlibs.Op) { o.TTL, o.NeedOld = time.Hour, false }), "map[a:7 c:text]"},
		{"set that keeps the ttl", op(extlibs.OpSetKeepTTL, func(o *extlibs.Op) { o.NeedOld = false }), "map[a:7 c:text]"},
		{"incr", op(extlibs.OpIncr, func(o *extlibs.Op) { o.NeedOld = false }), "map[a:8 c:text]"},
		{"incr, old", op(extlibs.OpIncr, nil), "map[a:8 c:text]"},
		{"add", op(extlibs.OpAdd, func(o *extlibs.Op) { o.Key = "b" }), "map[a:1 b:7 c:text]"},
		{"swap", op(extlibs.OpSwap, func(o *extlibs.Op) { o.Old = one }), "map[a:7 c:text]"},
		{"swap with a ttl", op(extlibs.OpSwapTTL, func(o *extlibs.Op) { o.Old, o.TTL = one, time.Hour }), "map[a:7 c:text]"},
		{"delete", op(extlibs.OpDelete, nil), "map[c:text]"},
		{"delete if", op(extlibs.OpDeleteIf, func(o *extlibs.Op) { o.Old = one }), "map[c:text]"},
		{"expire", op(extlibs.OpExpire, func(o *extlibs.Op) { o.TTL = time.Millisecond }), "map[c:text]"},
		{"sets", func(ctx context.Context, st extlibs.Store) error { _, err := st.ApplyMany(ctx, both); return err }, "map[a:8 b:9 c:text]"},
		{"a batch", func(ctx context.Context, st extlibs.Store) error {
			_, err := st.ApplyMany(ctx, []extlibs.Op{both[0], {Kind: extlibs.OpDelete, Key: "c"}})
			return err
		}, "map[a:8]"},
		{"Clear", func(ctx context.Context, st extlibs.Store) error { return st.Clear(ctx) }, "map[]"},
	}
	const before = "map[a:1 c:text]"
	contents := func() string {
		m := map[string]any{}
		items, err := direct.Items(t.Context(), extlibs.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			m[item.Key] = item.Value
		}
		return fmt.Sprint(m)
	}
	for _, c := range calls {
		for _, when := range []string{"before", "after"} {
			if err := direct.Clear(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := direct.SetMany(t.Context(), map[string]any{"a": 1, "c": "text"}, 0); err != nil {
				t.Fatal(err)
			}
			for range 200 { // the client connects again, and the server has the script
				if err := c.call(t.Context(), h.Store()); err == nil {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			if err := direct.Clear(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := direct.SetMany(t.Context(), map[string]any{"a": 1, "c": "text"}, 0); err != nil {
				t.Fatal(err)
			}
			p.cutNext(when)
			err := c.call(t.Context(), h.Store())
			p.cutNext("")
			write := c.want != ""
			switch {
			case err == nil:
				t.Errorf("%s, cut %s: it was not cut", c.name, when)
			case write && !errors.Is(err, extlibs.ErrCommitUnknown), !write && !errors.Is(err, extlibs.ErrUnavailable), errors.Is(err, extlibs.ErrUnavailable) && errors.Is(err, extlibs.ErrCommitUnknown):
				t.Errorf("%s, cut %s: %v", c.name, when, err)
			}
			want := before
			if write && when == "after" {
				want = c.want
			}
			time.Sleep(2 * time.Millisecond) // so that what is sent twice, or expires, shows
			got := contents()
			if s.mini != nil && got == before { // its time stands, and an incr takes two requests
				continue
			}
			if got != want {
				t.Errorf("%s, cut %s: the store holds %s, want %s", c.name, when, got, want)
			}
		}
	}
}

func TestAServerThatIsGoneIsUnavailableAndComesBackWithItsData(t *testing.T) {
	s := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	if s.mini != nil {
		t.Skip("a restart needs redis-server or valkey-server on PATH; install one")
	}
	h := openHandle(t, s.url(newName()))
	acknowledged := 0
	for i := range 200 {
		if err := h.Set(t.Context(), fmt.Sprintf("k%03d", i), i, 0); err != nil {
			t.Fatal(err)
		}
		acknowledged++
	}
	s.kill()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	began := time.Now()
	for range 5 {
		err := h.Set(ctx, "late", 1, 0)
		if !errors.Is(err, extlibs.ErrUnavailable) && !errors.Is(err, extlibs.ErrCommitUnknown) {
			t.Fatalf("a server that is gone: %v", err)
		}
	}
	if d := time.Since(began); d > 4*time.Second {
		t.Errorf("it took %v", d)
	}
	s.start(t)
	for range 400 {
		if _, err := h.Get(t.Context(), "k000"); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n, err := h.Count(t.Context(), "k*"); n != acknowledged || err != nil {
		t.Errorf("%d keys (%v), want %d", n, err, acknowledged)
	}
}

func TestAServerThatHangsLetsTheContextEndTheWait(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, c)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r := extlibs.NewRegistry()
	defer r.Close()
	began := time.Now()
	_, err = r.Open(ctx, "redis://"+l.Addr().String())
	if !errors.Is(err, extlibs.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

func TestAPausedServerLetsTheContextEndTheWait(t *testing.T) {
	s := startServer(t)
	if s.mini != nil {
		t.Skip("CLIENT PAUSE needs redis-server or valkey-server on PATH; install one")
	}
	h := openHandle(t, s.url(newName()))
	s.command(t, "CLIENT", "PAUSE", "1500")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := h.Set(ctx, "k", 1, 0)
	if !errors.Is(err, extlibs.ErrCommitUnknown) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// The client waits for its requests when it is closed. Others do not.
func TestClosingAStoreOfAServerThatHangsEnds(t *testing.T) {
	s := startServer(t)
	if s.mini != nil {
		t.Skip("CLIENT PAUSE needs redis-server or valkey-server on PATH; install one")
	}
	other := startServer(t)
	r := extlibs.NewRegistry()
	h, err := r.Open(t.Context(), s.url(newName())+"?timeout=2s")
	if err != nil {
		t.Fatal(err)
	}
	s.command(t, "CLIENT", "PAUSE", "60000")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := h.Set(ctx, "k", 1, 0); !errors.Is(err, extlibs.ErrCommitUnknown) {
		t.Fatal(err)
	}
	closed := make(chan time.Duration, 1)
	began := time.Now()
	go func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		closed <- time.Since(began)
	}()
	time.Sleep(50 * time.Millisecond) // so that it has begun
	o := openHandle(t, other.url(newName()))
	if err := o.Set(t.Context(), "k", 1, 0); err != nil || time.Since(began) > 1500*time.Millisecond {
		t.Errorf("a store of another server waited %v (%v)", time.Since(began), err)
	}
	if d := <-closed; d > 10*time.Second {
		t.Errorf("closing took %v", d)
	} else {
		t.Logf("closing took %v", d)
	}
}

func TestAServerWithoutMemoryRefusesWritesWholeAndTakesDeletes(t *testing.T) {
	s := startServer(t, "--maxmemory-policy", "noeviction")
	if s.mini != nil {
		t.Skip("maxmemory needs redis-server or valkey-server on PATH; install one")
	}
	url := s.url(newName())
	h := openHandle(t, url)
	for i := range 10 {
		if err := h.Set(t.Context(), fmt.Sprint("k", i), strings.Repeat("x", 1000), 0); err != nil {
			t.Fatal(err)
		}
	}
	s.command(t, "CONFIG", "SET", "maxmemory", "1mb")
	batch := map[string]any{}
	for i := range 100 {
		batch[fmt.Sprint("b", i)] = strings.Repeat("x", 1000)
	}
	for _, err := range []error{h.Set(t.Context(), "k", 1, 0), h.SetMany(t.Context(), batch, time.Hour)} {
		if !errors.Is(err, extlibs.ErrFull) {
			t.Errorf("a write is %v", err)
		}
	}
	if n, err := h.Count(t.Context(), "*"); n != 10 || err != nil {
		t.Errorf("%d keys (%v) after refused writes", n, err)
	}
	if _, err := h.Delete(t.Context(), "k0"); err != nil {
		t.Errorf("a delete is %v", err)
	}
	if n, err := openHandle(t, url).DeleteMany(t.Context(), []string{"k1", "k2"}); n != 2 || err != nil {
		t.Errorf("opened again, it deletes %d: %v", n, err)
	}
	if err := h.Clear(t.Context()); err != nil {
		t.Errorf("a clear is %v", err)
	}
}

func TestAServerThatForgetsItsScriptsGetsThemAgain(t *testing.T) {
	s := startServer(t)
	h := openHandle(t, s.url(newName()))
	var wg sync.WaitGroup
	var sum atomic.Int64
	for range 4 {
		wg.Go(func() {
			for range 200 {
				if _, err := h.Incr(t.Context(), "n", 1, 0); err != nil {
					t.Error(err)
				}
				sum.Add(1)
			}
		})
	}
	for range 20 {
		s.command(t, "SCRIPT", "FLUSH")
	}
	wg.Wait()
	if v, err := h.Get(t.Context(), "n"); v != sum.Load() || err != nil {
		t.Errorf("the counter is %v (%v), want %d", v, err, sum.Load())
	}
}

func TestNoErrorAndNoNameShowsThePassword(t *testing.T) {
	const password = "geheim"
	s := startServer(t)
	if s.mini == nil {
		s = startServer(t, "--requirepass", password)
	} else {
		s.mini.RequireAuth(password)
	}
	hidden := func(err error) {
		t.Helper()
		if err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("it shows the password: %v", err)
		}
	}
	r := extlibs.NewRegistry()
	defer r.Close()
	for _, url := range []string{
		"redis://:" + password + "wrong@" + s.addr, "redis://:" + password + "@127.0.0.1:1/0/x", "redis://:" + password + "@" + s.addr + "/0/x?nosuch=1",
		"redis://:" + password + "@/0/x", "rediss://:" + password + "@" + s.addr + "/0/x?ca=/nosuch", "redis://:" + password + "%zz@" + s.addr, "redis://:" + password + "@" + s.addr + "/0/{x}",
		"redis://" + s.addr + "/0/x",
	} {
		_, err := r.Open(t.Context(), url)
		if err == nil {
			t.Errorf("%s opens", url)
		}
		hidden(err)
	}
	h, err := r.Open(t.Context(), "redis://:"+password+"@"+s.addr+"/0/x")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(h.Name(), password) {
		t.Errorf("the name is %s", h.Name())
	}
	hidden(h.Set(t.Context(), "", 1, 0))
	if err := h.Set(t.Context(), "k", "text", 0); err != nil {
		t.Fatal(err)
	}
	_, err = h.Incr(t.Context(), "k", 1, 0)
	hidden(err)
	s.kill()
	if s.mini != nil {
		s.mini.Close()
	}
	hidden(h.Set(t.Context(), "k", 1, 0))
}

func TestTheLimitOfKeysHoldsOnAServer(t *testing.T) {
	s := startServer(t)
	h := openHandle(t, s.url(newName()), extlibs.MaxKeys(10))
	var wg sync.WaitGroup
	var stored atomic.Int64
	for i := range 50 {
		wg.Go(func() {
			switch err := h.Set(t.Context(), fmt.Sprint("k", i), i, 0); {
			case err == nil:
				stored.Add(1)
			case !errors.Is(err, extlibs.ErrFull):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, err := h.Count(t.Context(), "*"); n != 10 || stored.Load() != 10 || err != nil {
		t.Errorf("%d keys are there, %d were stored (%v)", n, stored.Load(), err)
	}
	if err := h.Set(t.Context(), "k0", 1, 0); err != nil && !errors.Is(err, extlibs.ErrFull) {
		t.Error(err)
	}
}
