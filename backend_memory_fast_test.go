package extlibs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// What the fast path stores and returns is what every value is encoded and decoded to.
func TestTheFastPathStoresAndReturnsEveryValue(t *testing.T) {
	if !stringIsText || !integerIsInt || !floatIsFloat {
		t.Errorf("the interpreter's objects are copied: str %v, int %v, float %v", !stringIsText, !integerIsInt, !floatIsFloat)
	}
	r := NewRegistry(MaxValueBytes(5000))
	defer r.Close()
	h, err := r.Open(t.Context(), ":memory:ways")
	if err != nil {
		t.Fatal(err)
	}
	get, set := h.scriptObject().Attributes["get"].(*object.Builtin).Fn, h.scriptObject().Attributes["set"].(*object.Builtin).Fn
	for i, v := range []any{
		"", "a", "é", "ab", strings.Repeat("x", 23), strings.Repeat("x", 24), strings.Repeat("é", 200), strings.Repeat("x", 4000), "bad \xff",
		int64(0), int64(-5), int64(-6), int64(10_000), int64(10_001), int64(math.MinInt64), int64(math.MaxInt64),
		0.0, math.Copysign(0, -1), 1.5, math.Inf(-1), math.MaxFloat64, true, nil, []any{int64(1), "x"},
		[]any{int64(-6), int64(-5), int64(10_000), int64(10_001), int64(255), int64(256), "", "a", "ab", map[string]any{"a": int64(7)}},
		[]any{}, map[string]any{}, map[string]any{"a:b": "é"}, map[string]any{"a": map[string]any{"bad \xff": []any{nil, true}}},
		map[string]any{strings.Repeat("k", 40): 2.5}, Dict{{int64(1), "x"}}, Tuple{"x", int64(1)}, Set{"x"}, []byte("bytes"),
	} {
		for _, ttl := range []time.Duration{0, time.Hour} {
			key := fmt.Sprint("key ", i)
			if err := h.Set(t.Context(), key, v, ttl); err != nil {
				t.Fatalf("%v: %v", v, err)
			}
			want := encodeGoMust(t, v)
			e, err := h.Store().Load(t.Context(), key, NeedAll)
			if err != nil || e.Value != want || (e.TTL > 0) != (ttl > 0) {
				t.Errorf("%.20q is stored as %q, %v left, %v; want %q", v, e.Value.Raw(), e.TTL, err, want.Raw())
			}
			if got, err := h.Get(t.Context(), key); err != nil || fmt.Sprintf("%T %#v", got, got) != fmt.Sprintf("%T %#v", v, v) {
				t.Errorf("%#v comes back as %#v, %v", v, got, err)
			}
			plain, err := decodeObject(context.Background(), want)
			if err != nil {
				t.Fatal(err)
			}
			o := get(t.Context(), object.Kwargs{}, object.NewString(key))
			if o.Type() != plain.Type() || o.Inspect() != plain.Inspect() {
				t.Errorf("a script gets %s, want %s", o.Inspect(), plain.Inspect())
			}
			sharesObjects(t, o)
			sharesObjects(t, plain)
			set(t.Context(), object.Kwargs{}, object.NewString("copy"), o)
			if e, err := h.Store().Load(t.Context(), "copy", NeedValue); err != nil || e.Value != want {
				t.Errorf("a script stores %.20q as %q, %v", v, e.Value.Raw(), err)
			}
		}
	}
	for name, c := range map[string]struct { // that the fast path leaves to the general one
		key  string
		v    any
		ttl  time.Duration
		want error
	}{
		"an empty key":                      {"", "v", 0, ErrInvalid},
		"a key that is long":                {strings.Repeat("k", MaxKeyBytes+1), "v", 0, ErrInvalid},
		"a key of no text":                  {"k\xff", int64(1), 0, ErrInvalid},
		"a value that is long":              {"k", strings.Repeat("v", 5000), 0, ErrTooLarge},
		"a ttl too short":                   {"k", 1.5, 60, ErrInvalid},
		"a ttl too long":                    {"k", "v", MaxTTL + 1, ErrInvalid},
		"a negative ttl":                    {"k", "v", -2, ErrInvalid},
		"a key of no text, for a dict":      {"k\xff", map[string]any{"a": true}, 0, ErrInvalid},
		"an empty key, for a list":          {"", []any{}, 0, ErrInvalid},
		"a dict that is large":              {"k", map[string]any{"a": strings.Repeat("v", 5000)}, 0, ErrTooLarge},
		"a list that is large in all":       {"k", []any{strings.Repeat("v", 2500), strings.Repeat("v", 2500)}, 0, ErrTooLarge},
		"a dict with what cannot be stored": {"k", map[string]any{"a": struct{}{}}, 0, ErrType},
		"a ttl too short, for a dict":       {"k", map[string]any{}, 60, ErrInvalid},
	} {
		if err := h.Set(t.Context(), c.key, c.v, c.ttl); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if c.ttl == 0 && c.key != "k" {
			if _, err := h.Get(t.Context(), c.key); !errors.Is(err, c.want) {
				t.Errorf("get of %s: %v", name, err)
			}
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{"v", map[string]any{"a": true}} {
		if err := h.Set(t.Context(), "k", v, 0); !errors.Is(err, ErrClosed) {
			t.Errorf("set on a closed store: %v", err)
		}
	}
	if _, err := h.Get(t.Context(), "k"); !errors.Is(err, ErrClosed) {
		t.Errorf("get on a closed store: %v", err)
	}
}

// twin is one of two stores that get the same calls. Only one of them has the fast path.
type twin struct {
	*Handle
	view *Handle
}

// twinCall makes a call on a store, of Go or of a script, and returns all that its caller sees.
type twinCall func(ctx context.Context, s *twin) string

func seen(v any, err error) string { return fmt.Sprintf("%T %#v, %v", v, v, err) }

func (s *twin) script(ctx context.Context, name string, kwargs map[string]object.Object, args ...object.Object) string {
	o := s.scriptObject().Attributes[name].(*object.Builtin).Fn(ctx, object.Kwargs{Kwargs: kwargs}, args...)
	if e, ok := o.(*object.Error); ok {
		return e.ExceptionType + ": " + e.Message
	}
	return fmt.Sprint(o.Type(), " ", o.Inspect())
}

// twinCalls returns a source of random calls with keys, values and ttls of all kinds, valid
// and not.
func twinCalls(r *rand.Rand) func() twinCall {
	keys := []string{"", "\xff", "good\xffbad", "é", "view:", "view:a", "view:b", strings.Repeat("k", MaxKeyBytes), strings.Repeat("k", MaxKeyBytes+1)}
	for i := range 12 {
		keys = append(keys, fmt.Sprint("key ", i), fmt.Sprint("key ", i))
	}
	deep := any(int64(1))
	for range MaxDepth + 1 {
		deep = []any{deep}
	}
	values := []any{
		nil, true, false, 0, int64(-6), int64(300), int64(math.MinInt64), 7, 0.0, math.Inf(1), 2.5, "", "a", "é", "bad \xff", strings.Repeat("x", 100),
		strings.Repeat("x", 4990), strings.Repeat("x", 5000), []byte("bytes"), []any{}, []any{int64(1), "x", nil}, map[string]any{"a": int64(1)},
		map[string]any{"a": []any{2.5}}, Tuple{"x"}, Set{int64(1)}, Dict{{int64(1), "x"}}, struct{}{}, []any{struct{}{}}, uint64(math.MaxUint64), deep,
		[]any{strings.Repeat("y", 2500), strings.Repeat("y", 2500)},
	}
	fn := &object.Builtin{Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object { return none }}
	objects := []object.Object{
		none, object.NewBoolean(true), object.NewInteger(5), object.NewInteger(-6), object.NewInteger(1 << 40), object.NewFloat(2.5), object.NewString(""),
		object.NewString("text"), object.NewString("bad \xff"), object.NewString(strings.Repeat("x", 5000)), object.NewBytesFromString("b"),
		&object.List{Elements: []object.Object{object.NewInteger(1), none}}, &object.Tuple{}, object.NewStringDict(map[string]object.Object{"a": object.NewInteger(1)}),
		fn, &object.List{Elements: []object.Object{fn}}, &object.Exception{Message: "raised"},
	}
	ttls := []time.Duration{0, 0, 0, time.Millisecond, time.Second, time.Hour, MaxTTL, MaxTTL + 1, 60, -1, math.MaxInt64, math.MinInt64}
	seconds := []object.Object{
		nil, nil, nil, none, object.NewInteger(0), object.NewInteger(1), object.NewInteger(-1), object.NewFloat(0.0001), object.NewFloat(3600), object.NewFloat(math.NaN()),
		object.NewInteger(math.MaxInt64), object.NewString("1"), object.NewBoolean(true),
	}
	return func() twinCall {
		key, value, o, ttl, sec := keys[r.IntN(len(keys))], values[r.IntN(len(values))], objects[r.IntN(len(objects))], ttls[r.IntN(len(ttls))], seconds[r.IntN(len(seconds))]
		keyObject := object.Object(object.NewString(key))
		if r.IntN(20) == 0 {
			keyObject = o
		}
		switch r.IntN(16) {
		case 0, 1:
			return func(ctx context.Context, s *twin) string { return seen(s.Get(ctx, key)) }
		case 2:
			return func(ctx context.Context, s *twin) string { return seen(s.Exists(ctx, key)) }
		case 3:
			return func(ctx context.Context, s *twin) string { return seen(s.TTL(ctx, key)) }
		case 4, 5, 6:
			return func(ctx context.Context, s *twin) string { return seen(nil, s.Set(ctx, key, value, ttl)) }
		case 7:
			return func(ctx context.Context, s *twin) string { return seen(s.Delete(ctx, key)) }
		case 8:
			return func(ctx context.Context, s *twin) string { return seen(nil, s.view.Set(ctx, "a", value, ttl)) }
		case 9:
			return func(ctx context.Context, s *twin) string { return seen(s.view.Get(ctx, "a")) }
		case 10, 11:
			return func(ctx context.Context, s *twin) string { return s.script(ctx, "get", nil, keyObject, o) }
		case 12:
			return func(ctx context.Context, s *twin) string { return s.script(ctx, "exists", nil, keyObject) }
		case 13:
			return func(ctx context.Context, s *twin) string {
				if sec == nil {
					return s.script(ctx, "set", nil, keyObject, o)
				}
				return s.script(ctx, "set", nil, keyObject, o, sec)
			}
		case 14:
			return func(ctx context.Context, s *twin) string {
				kwargs := map[string]object.Object{"value": o}
				if sec != nil {
					kwargs["ttl"] = sec
				}
				return s.script(ctx, "set", kwargs, keyObject)
			}
		}
		return func(ctx context.Context, s *twin) string { return s.script(ctx, "ttl", nil, keyObject) }
	}
}

// Results, errors, what is stored, and the counters are equal, whichever limit is near and
// also when the store has been cleared or closed.
func TestTheFastPathDoesWhatTheGeneralPathDoes(t *testing.T) {
	for name, options := range map[string][]Option{
		"plain":      {},
		"few keys":   {MaxKeys(8)},
		"few bytes":  {MaxMemoryBytes(8000)},
		"tiny value": {MaxValueBytes(6)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // so that both stores are swept at the same times
				compareTwins(t, append([]Option{MaxValueBytes(5000), SweepInterval(time.Hour)}, options...))
			})
		})
	}
}

func compareTwins(t *testing.T, options []Option) {
	open := func() (s twin) {
		r := NewRegistry(options...)
		t.Cleanup(func() { r.Close() })
		h, err := r.Open(t.Context(), ":memory:twin")
		if err != nil {
			t.Fatal(err)
		}
		return twin{Handle: h, view: h.Sub("view:")}
	}
	fast, general := open(), open()
	if general.fast == nil {
		t.Fatal("an in-memory store has no fast path")
	}
	general.fast = nil
	r := kvtest.Rand(t)
	next := twinCalls(r)
	compare := func(what string, call twinCall) {
		t.Helper()
		if got, want := call(t.Context(), &fast), call(t.Context(), &general); got != want {
			t.Fatalf("%s: the fast path returns %.300s\nthe general path returns %.300s", what, got, want)
		}
	}
	compareAll := func(what string) {
		t.Helper()
		compare(what, func(ctx context.Context, s *twin) string { return seen(s.Stats(ctx)) })
		compare(what, func(ctx context.Context, s *twin) string {
			page, err := s.Store().Scan(ctx, Range{Need: NeedAll})
			return seen(page.Entries, err) + fmt.Sprint(page.Entries)
		})
		compare(what, func(ctx context.Context, s *twin) string { return seen(s.Items(ctx, ListOptions{})) })
	}
	const calls = 4000
	for i := range calls {
		what := fmt.Sprint("call ", i)
		switch {
		case r.IntN(10) == 0:
			time.Sleep(time.Duration(r.Int64N(int64(time.Second))))
			synctest.Wait()
		case r.IntN(400) == 0:
			compare(what, func(ctx context.Context, s *twin) string { return seen(nil, s.Clear(ctx)) })
		}
		compare(what, next())
		if i%50 == 0 {
			compareAll(what)
		}
	}
	compareAll("in the end")
	if n := fast.backend.(*memory).sets(); n == 0 {
		t.Error("no set has taken the fast path")
	}
	if n := general.backend.(*memory).sets(); n != 0 {
		t.Errorf("%d sets of the general path are counted as fast ones", n)
	}
	for _, s := range []twin{fast, general} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		compare("closed", next())
	}
	compare("closed", func(ctx context.Context, s *twin) string { return seen(s.Stats(ctx)) })
}

// sharesObjects checks that what scripts see as one object stays one.
func sharesObjects(t *testing.T, o object.Object) {
	t.Helper()
	switch o := o.(type) {
	case *object.String:
		s := o.StringValue()
		if one, other := object.NewString(s), object.NewString(s); one == other && o != one {
			t.Errorf("%q is not the shared object", s)
		}
	case *object.Integer:
		n := o.IntValue()
		if one, other := object.NewInteger(n), object.NewInteger(n); one == other && o != one {
			t.Errorf("%d is not the shared object", n)
		}
	case *object.List:
		for _, el := range o.Elements {
			sharesObjects(t, el)
		}
	case *object.Dict:
		for _, p := range o.Pairs {
			sharesObjects(t, p.Key)
			sharesObjects(t, p.Value)
		}
	}
}

func TestHitsAreExactWhileTheyAreFewAndNearlySoWhenTheyAreMany(t *testing.T) {
	t.Parallel()
	r := NewRegistry()
	defer r.Close()
	h, err := r.Open(t.Context(), ":memory:hits")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Set(t.Context(), "k", "v", 0); err != nil {
		t.Fatal(err)
	}
	hits := func(n int) int64 {
		before := statsOf(t, h).Hits
		for range n {
			if _, err := h.Get(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
		}
		return statsOf(t, h).Hits - before
	}
	if n := hits(exactHits); n != exactHits {
		t.Errorf("%d of %d hits are counted", n, exactHits)
	}
	// The standard deviation is sqrt(15 n): 0.4 percent.
	if n := hits(1_000_000); n < 960_000 || n > 1_040_000 {
		t.Errorf("%d of a million hits are counted", n)
	}
}

func TestGetAndSetInMemoryTakeFewAllocations(t *testing.T) {
	r := NewRegistry()
	defer r.Close()
	h, err := r.Open(t.Context(), ":memory:allocations")
	if err != nil {
		t.Fatal(err)
	}
	dict := map[string]any{"id": int64(1) << 40, "name": "a name", "score": 2.5}
	large, small, texts := make([]any, 16), make([]any, 16), make([]any, 16)
	for i := range large {
		large[i], small[i], texts[i] = int64(i)<<40-1, int64(16*i), fmt.Sprint("text ", i)
	}
	for _, c := range []struct {
		value any
		get   float64
		bytes uint64
	}{
		{"value-0000000001", 0, 0}, {int64(1) << 40, 0, 0}, {2.5, 0, 0},
		{dict, 5, 400},  // the map, which is two, a piece for texts, and one or two for numbers
		{large, 3, 450}, // the list, which is two, and a piece for the numbers
		{small, 2, 300}, // Go has these numbers already
		{texts, 3, 550},
	} {
		if n := testing.AllocsPerRun(100, func() { h.Set(t.Context(), "k", c.value, 0) }); n > 1 {
			t.Errorf("set of %v takes %v allocations", c.value, n)
		}
		get := func() { h.Get(t.Context(), "k") }
		if n := testing.AllocsPerRun(100, get); n > c.get {
			t.Errorf("get of %v takes %v allocations", c.value, n)
		}
		if n := bytesPerRun(100, get); n > c.bytes {
			t.Errorf("get of %v takes %d bytes", c.value, n)
		}
		if n := testing.AllocsPerRun(100, func() { h.Set(t.Context(), "k", c.value, time.Hour) }); n > 1 {
			t.Errorf("set of %v with a ttl takes %v allocations", c.value, n)
		}
	}
	for name, key := range map[string]string{"a live key": "k", "an absent one": "absent"} {
		if n := testing.AllocsPerRun(100, func() { h.Exists(t.Context(), key) }); n > 0 {
			t.Errorf("exists of %s takes %v allocations", name, n)
		}
	}
	// A script's dict is one more; its keys, which are objects, are in the piece of texts.
	h.Set(t.Context(), "k", dict, 0)
	call := func(name string, args []object.Object) object.Object {
		return h.scriptObject().Attributes[name].(*object.Builtin).Fn(t.Context(), object.Kwargs{}, args...)
	}
	args := []object.Object{object.NewString("k"), nil}
	args[1] = call("get", args[:1])
	if n := testing.AllocsPerRun(100, func() { call("set", args) }); n > 1 {
		t.Errorf("set of a dict from a script takes %v allocations", n)
	}
	absent := []object.Object{object.NewString("absent")}
	for _, name := range []string{"get", "exists"} {
		if n := testing.AllocsPerRun(100, func() { call(name, absent) }); n > 0 {
			t.Errorf("%s of an absent key from a script takes %v allocations", name, n)
		}
	}
	get := func() { call("get", args[:1]) }
	if n := testing.AllocsPerRun(100, get); n > 6 {
		t.Errorf("get of a dict from a script takes %v allocations", n)
	}
	if n := bytesPerRun(100, get); n > 600 {
		t.Errorf("get of a dict from a script takes %d bytes", n)
	}
}

// bytesPerRun is testing.AllocsPerRun for bytes.
func bytesPerRun(runs uint64, f func()) uint64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	f()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}

func TestSetsAreCountedExactlyBesideClearAndAfterClose(t *testing.T) {
	t.Parallel()
	r := NewRegistry()
	defer r.Close()
	ctx := t.Context()
	h, err := r.Open(ctx, ":memory:counted")
	if err != nil {
		t.Fatal(err)
	}
	const writers, sets = 4, 2000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range sets {
				if err := h.Set(ctx, fmt.Sprint(w, i%50), i, 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	cleared := make(chan struct{})
	go func() {
		defer close(cleared)
		for range 300 {
			if err := h.Clear(ctx); err != nil {
				t.Error(err)
			}
		}
	}()
	for last := int64(0); last < writers*sets && !t.Failed(); {
		s, err := h.Stats(ctx)
		if err != nil || s.Sets < last || s.Sets > writers*sets {
			t.Fatalf("%d sets, %v, after %d", s.Sets, err, last)
		}
		last = s.Sets
	}
	wg.Wait()
	<-cleared
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := h.Stats(ctx); !errors.Is(err, ErrClosed) || s.Sets != writers*sets {
		t.Errorf("%d sets of %d after Close, %v", s.Sets, writers*sets, err)
	}
}

// A part of a value that is kept keeps little else: no text that was beside it.
func TestAShortTextOfAValueDoesNotKeepALongOne(t *testing.T) {
	const values, long = 64, 1 << 20
	raw := encodeGoMust(t, map[string]any{"title": "a title", "body": strings.Repeat("x", long), "more": []any{"a text", strings.Repeat("y", long)}})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var kept []any
	for range values {
		v, err := raw.Decode()
		if err != nil {
			t.Fatal(err)
		}
		o, err := decodeObject(context.Background(), raw)
		if err != nil {
			t.Fatal(err)
		}
		m, pairs := v.(map[string]any), o.(*object.Dict).Pairs
		kept = append(kept, m["title"], m["more"].([]any)[0], pairs["title"].Key, pairs["title"].Value, pairs["more"].Value.(*object.List).Elements[0])
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > values*long/2 {
		t.Errorf("%d texts keep %d bytes alive", len(kept), n)
	}
	runtime.KeepAlive(kept)
}
