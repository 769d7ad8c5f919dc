package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// step is one call with its arguments, for more than one store.
type step struct {
	name, key, other, prefix string
	list                     extlibs.ListOptions
	value, next              any
	ttl                      time.Duration
}

// calls are those of a Handle. Each returns what does not depend on when it is made.
var calls = []struct {
	name string
	run  func(ctx context.Context, h *extlibs.Handle, s step) (any, error)
}{
	{"Set", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return nil, h.Set(ctx, s.key, s.value, s.ttl)
	}},
	{"Get", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) { return h.Get(ctx, s.key) }},
	{"Delete", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) { return h.Delete(ctx, s.key) }},
	{"Exists", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) { return h.Exists(ctx, s.key) }},
	{"TTL", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		left, err := h.TTL(ctx, s.key)
		return left.Round(time.Hour), err
	}},
	{"Keys", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) { return h.Keys(ctx, s.list) }},
	{"Items", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		items, err := h.Items(ctx, s.list)
		for i := range items {
			items[i].TTL = items[i].TTL.Round(time.Hour)
		}
		return items, err
	}},
	{"All", func(ctx context.Context, h *extlibs.Handle, s step) (all any, err error) {
		var items []extlibs.Item
		for item, err := range h.All(ctx, s.list) {
			if err != nil {
				return nil, err
			}
			item.TTL = item.TTL.Round(time.Hour)
			items = append(items, item)
		}
		return items, nil
	}},
	{"Count", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) { return h.Count(ctx, s.list.Pattern) }},
	{"Clear", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) { return nil, h.Clear(ctx) }},
	{"Incr", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) { return h.Incr(ctx, s.key, 3, s.ttl) }},
	{"IncrFloat", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return h.IncrFloat(ctx, s.key, 0.5, s.ttl)
	}},
	{"Add", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return h.Add(ctx, s.key, s.value, s.ttl)
	}},
	{"Update", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return h.Update(ctx, s.key, func(_ any, ok bool) (any, error) { return []any{ok, s.next}, nil })
	}},
	{"GetOrSet", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return h.GetOrSet(ctx, s.key, func() (any, error) { return s.value, nil }, s.ttl)
	}},
	{"Pop", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) { return h.Pop(ctx, s.key) }},
	{"PopFirst", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		item, err := h.PopFirst(ctx, extlibs.PopOptions{Pattern: s.list.Pattern, Prefix: s.list.Prefix, Reverse: s.list.Reverse})
		item.TTL = item.TTL.Round(time.Hour)
		return item, err
	}},
	{"Expire", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return h.Expire(ctx, s.key, s.ttl)
	}},
	{"GetMany", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return h.GetMany(ctx, []string{s.key, s.other, s.key})
	}},
	{"SetMany", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return nil, h.SetMany(ctx, map[string]any{s.key: s.value, s.other: s.value}, s.ttl)
	}},
	{"DeleteMany", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return h.DeleteMany(ctx, []string{s.key, s.other, s.key})
	}},
	{"UpdateMany", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return h.UpdateMany(ctx, []string{s.key, s.other, "absent"}, func(values map[string]any) (map[string]any, error) {
			next := map[string]any{s.key: []any{len(values), values[s.key]}}
			if _, ok := values[s.other]; ok && s.other != s.key {
				next[s.other] = s.next
			}
			return next, nil
		})
	}},
	{"CompareAndSwap", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return h.CompareAndSwap(ctx, s.key, s.value, s.next, s.ttl)
	}},
	{"CompareAndDelete", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return h.CompareAndDelete(ctx, s.key, s.value)
	}},
	{"DeleteMatching", func(ctx context.Context, h *extlibs.Handle, s step) (any, error) {
		return h.DeleteMatching(ctx, s.list.Pattern)
	}},
}

// kindOf is what an error is about. Its text names the store.
func kindOf(err error) string {
	for _, kind := range []error{extlibs.ErrNotFound, extlibs.ErrType, extlibs.ErrInvalid, extlibs.ErrOverflow} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return fmt.Sprint(err)
}

func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// Whatever is called with whatever, a server answers as memory does, also through views.
func TestCallsGiveWhatTheyGiveInMemory(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	stores := []*extlibs.Handle{openHandle(t, ":memory:difference"), openHandle(t, s.url(newName()))}
	steps := 6000
	if testing.Short() {
		steps = 1500
	}
	r := kvtest.Rand(t)
	keys := []string{"a", "b", "user:1", "user:2", "user:10", "user:", "é", "日:1", "x\x00y", "*", "[a]", "user:\U0010ffff", "z{a,b}"}
	values := []any{nil, true, 1, int64(-1 << 63), 1.5, 1.0, "", "text", "#1", "!5!", "\"q", "12", []byte("12"), []byte{}, []any{1, "x"},
		extlibs.Tuple{1}, map[string]any{"a": 1}, extlibs.Set{}, "\xff", extlibs.Dict{{Key: 1, Value: "x"}}}
	prefixes := []string{"", "", "user:", "us", "日", "\xe6", "*"}
	if s.mini != nil { // it takes the limit of "*", which is "(+", for the end of all keys
		prefixes = prefixes[:len(prefixes)-1]
	}
	for i := range steps {
		n := r.IntN(len(calls))
		if calls[n].name == "Clear" && r.IntN(10) > 0 {
			continue
		}
		st := step{
			name: calls[n].name, key: one(r, keys...), other: one(r, keys...), prefix: one(r, "", "", "user:", "us", "日:"),
			list: extlibs.ListOptions{
				Pattern: one(r, "*", "user:*", "*1", "?", "[!a]", "{a,user:1*}", "*s*", "user:1", `\*`, "user:?", "é*", `*\{*`, "nope"),
				Limit:   max(0, r.IntN(8)-3), After: one(r, "", one(r, keys...)), Before: one(r, "", "", one(r, keys...), "\xff"),
				Prefix: one(r, prefixes...), Reverse: r.IntN(2) == 0,
			},
			value: one(r, values...), next: one(r, values...), ttl: one(r, 0, 5*time.Hour, 9*time.Hour),
		}
		var answers []string
		for _, h := range stores {
			if st.prefix != "" {
				h = h.Sub(st.prefix)
			}
			got, err := calls[n].run(t.Context(), h, st)
			answers = append(answers, fmt.Sprintf("%#v, %s", got, kindOf(err)))
		}
		if answers[0] != answers[1] {
			t.Fatalf("step %d, %+v:\nmemory has %s\nthe server %s", i, st, answers[0], answers[1])
		}
	}
}
