package extlibs

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// endingContext ends when it has been checked so many times.
type endingContext struct {
	context.Context
	looks, after int
}

func (c *endingContext) Err() error {
	if c.looks++; c.looks > c.after {
		return context.DeadlineExceeded
	}
	return nil
}

// sizedValue makes a random value of about n parts, of shapes that scripts can make.
func sizedValue(r *rand.Rand, n int) any {
	key := func() any {
		switch r.IntN(6) {
		case 0:
			return nil
		case 1:
			return r.Int64N(1 << 40)
		case 2:
			return strings.Repeat("k:", r.IntN(20))
		case 3:
			return Tuple{r.Int64(), strings.Repeat("t", r.IntN(30)), Tuple{r.Int64()}}
		case 4:
			return []byte(strings.Repeat("b", r.IntN(40)))
		}
		return fmt.Sprint("name", r.IntN(1000))
	}
	if n <= 1 {
		return []any{nil, true, r.Int64N(100), r.Int64(), r.Float64(), strings.Repeat("x", r.IntN(100)), []byte(strings.Repeat("x", r.IntN(100))),
			[]any{}, map[string]any{}, Set{}, Tuple{}}[r.IntN(11)]
	}
	parts := min(n, []int{1, 2, 8, 9, 100, n}[r.IntN(6)])
	switch r.IntN(6) {
	case 0:
		m := map[string]any{}
		for range parts {
			m[fmt.Sprint("k", r.Int32())] = sizedValue(r, n/parts)
		}
		return m
	case 1:
		d, seen := Dict{}, map[string]bool{}
		for range parts {
			if k := key(); !seen[fmt.Sprintf("%T%v", k, k)] {
				seen[fmt.Sprintf("%T%v", k, k)] = true
				d = append(d, Pair{k, sizedValue(r, n/parts)})
			}
		}
		return append(d, Pair{r.Int64(), 1})
	case 2:
		s := Set{}
		for range n {
			s = append(s, key())
		}
		return s
	case 3:
		t := Tuple{}
		for range parts {
			t = append(t, sizedValue(r, n/parts))
		}
		return t
	}
	l := []any{}
	for range parts {
		l = append(l, sizedValue(r, n/parts))
	}
	return l
}

func allocatedBy(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// The estimate of a decoded value is what all limits of decoded values stand on.
func TestDecodingAllocatesNoMoreThanItsEstimate(t *testing.T) {
	r := kvtest.Rand(t)
	ctx := context.Background()
	check := func(v Value) {
		size, err := codec.DecodedSize(ctx, v.data, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		if size > codec.MaxGrowth*int64(v.Len()) {
			t.Fatalf("%d bytes have an estimate of %d, more than %d for each", v.Len(), size, codec.MaxGrowth)
		}
		for name, decode := range map[string]func() error{
			"script": func() error { _, err := decodeObject(ctx, v); return err },
			"Go":     func() error { _, err := decodeGo(ctx, v); return err },
		} {
			got := int64(1 << 40)
			for range 3 { // the runtime may allocate meanwhile
				got = min(got, allocatedBy(func() {
					if err := decode(); err != nil {
						t.Fatal(err)
					}
				}))
			}
			if got > size+size/8+1024 {
				t.Fatalf("%s: decoding %d bytes allocated %d, the estimate is %d: %.60x", name, v.Len(), got, size, v.data)
			}
		}
	}
	for range kvtest.Sized(80, 300, 5000) {
		v, err := Encode(sizedValue(r, 1+r.IntN(2000)))
		if err != nil {
			t.Fatal(err)
		}
		check(v)
	}
	for _, n := range []int{1, 7, 8, 9, 14, 15, 28, 29, 100, 896, 897, 1000, 1792, 1793, 5000, 14336, 14337, 100_000} {
		ints, texts, members := Dict{}, map[string]any{}, Set{}
		for i := range n {
			ints = append(ints, Pair{i + 1000, nil})
			texts[fmt.Sprint("k:", i)] = nil
			members = append(members, i+20_000)
		}
		for _, v := range []any{ints, texts, members} {
			v, err := Encode(v)
			if err != nil {
				t.Fatal(err)
			}
			check(v)
		}
	}
}

func TestLongValuesLookAtTheirContextWhileTheyAreEncodedDecodedAndCompared(t *testing.T) {
	parts := kvtest.Sized(100_000, 400_000, 400_000)
	dicts := make([]any, parts/4)
	for i := range dicts {
		dicts[i] = map[string]any{"a": 1}
	}
	dict, set, pairs, lists := map[string]any{}, Set{}, Dict{}, []any{}
	for i := range parts / 2 {
		dict[fmt.Sprint(i)] = i
		set = append(set, i)
		pairs = append(pairs, Pair{i, i})
		if i%1000 == 0 {
			lists = append(lists, make([]any, 1000))
		}
	}
	for name, v := range map[string]any{"list": make([]any, parts), "dicts": dicts, "dict": dict, "set": set, "pairs": pairs, "lists": lists} {
		encoded, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		o, err := decodeObject(t.Context(), encoded)
		if err != nil {
			t.Fatal(err)
		}
		for what, work := range map[string]func(ctx context.Context) error{
			"encodeGo":     func(ctx context.Context) error { _, err := encodeGo(ctx, v, 1<<30); return err },
			"encodeObject": func(ctx context.Context) error { _, err := encodeObject(ctx, o, 1<<30); return err },
			"decodeGo":     func(ctx context.Context) error { _, err := decodeGo(ctx, encoded); return err },
			"decodeObject": func(ctx context.Context) error { _, err := decodeObject(ctx, encoded); return err },
			"DecodedSize":  func(ctx context.Context) error { _, err := codec.DecodedSize(ctx, encoded.data, 1<<40); return err },
			"Digest":       func(ctx context.Context) error { _, err := codec.Digest(ctx, encoded.data); return err },
		} {
			all := endingContext{Context: t.Context(), after: math.MaxInt}
			if err := work(&all); err != nil {
				t.Fatal(err)
			}
			if all.looks < parts/10_000 {
				t.Errorf("%s of the %s checked its context %d times", what, name, all.looks)
			}
			ending := endingContext{Context: t.Context(), after: all.looks / 2}
			if err := work(&ending); err != context.DeadlineExceeded || ending.looks != ending.after+1 {
				t.Errorf("%s of the %s: %v after %d looks, want DeadlineExceeded after %d", what, name, err, ending.looks, ending.after+1)
			}
		}
	}
}
