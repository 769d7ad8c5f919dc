package extlibs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

// refusedValue is a list of n dicts of None, as a script writes it and as Go does.
func refusedValue(n int) []any {
	list := make([]any, n)
	one := extlibs.Dict{{Key: nil, Value: nil}}
	for i := range list {
		list[i] = one
	}
	return list
}

func TestAValueThatTakesTooMuchMemoryDecodedIsNotStored(t *testing.T) {
	const limit = 2 << 20
	const parts = 10_000 // 30 KB encoded, and 5 MB decoded
	forEachBackend(t, func(t *testing.T, b backend) {
		opts := []extlibs.Option{extlibs.MaxOperationBytes(limit), extlibs.MaxValueBytes(limit / 4)}
		p, h := scripted(t, b, opts...)
		eval(t, p, fmt.Sprintf("large = [{None: None}] * %d\nstore.set('k', 1)\nstore.set('dict', {1: 2})", parts))
		for _, call := range []string{
			`store.set("k", large)`, `store.set("k", large, 60)`, `store.add("new", large)`, `store.update("k", lambda old: large)`,
			`store.update("new", lambda old: large)`, `store.get_or_set("new", lambda: large)`, `store.set_many({"k": 2, "new": large})`,
			`store.update_many(["k", "new"], lambda values: {"k": 1, "new": large})`,
			`store.compare_and_set("k", 1, large)`, `store.sub("n").set("ew", large)`, `store.sub("n").set_many({"ew": large})`,
		} {
			clause, message := caught(t, p, call)
			if clause != "ValueError" || !strings.HasPrefix(message, "kv.") || !strings.Contains(message, "MaxOperationBytes") {
				t.Errorf("%s raised %s %q", call, clause, message)
			}
		}
		large := refusedValue(parts)
		encoded := mustEncode(t, large)
		for name, call := range map[string]func() error{
			"Set": func() error { return h.Set(ctx, "k", large, 0) },
			"Add": func() error { _, err := h.Add(ctx, "new", large, 0); return err },
			"Update": func() error {
				_, err := h.Update(ctx, "k", func(any, bool) (any, error) { return large, nil })
				return err
			},
			"GetOrSet": func() error {
				_, err := h.GetOrSet(ctx, "new", func() (any, error) { return large, nil }, 0)
				return err
			},
			"UpdateMany": func() error {
				_, err := h.UpdateMany(ctx, []string{"k", "new"}, func(map[string]any) (map[string]any, error) {
					return map[string]any{"k": 1, "new": large}, nil
				})
				return err
			},
			"SetMany":        func() error { return h.SetMany(ctx, map[string]any{"k": 2, "new": large}, 0) },
			"CompareAndSwap": func() error { _, err := h.CompareAndSwap(ctx, "k", 1, large, 0); return err },
			"SetAs":          func() error { return extlibs.SetAs(ctx, h, "k", struct{ A []any }{large}, 0) },
			"view":           func() error { return h.Sub("n").Set(ctx, "ew", large, 0) },
			"Apply": func() error {
				_, err := h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: encoded})
				return err
			},
			"ApplyMany": func() error {
				_, err := h.Store().ApplyMany(ctx, []extlibs.Op{{Kind: extlibs.OpSet, Key: "k", Value: encoded}})
				return err
			},
		} {
			if err := call(); !errors.Is(err, extlibs.ErrTooLarge) || !strings.Contains(fmt.Sprint(err), "MaxOperationBytes") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n, err := h.Count(ctx, "*"); n != 2 || err != nil {
			t.Errorf("%d keys after calls that were refused (%v)", n, err)
		}
		if v, err := h.Get(ctx, "k"); v != int64(1) || err != nil {
			t.Errorf("k is %v after calls that were refused (%v)", v, err)
		}
		must(t, h.Set(ctx, "half", refusedValue(parts/3), 0))
		if _, err := h.Get(ctx, "half"); err != nil {
			t.Errorf("a value within the limit: %v", err)
		}
	})
}

// A file can contain values that a host with other limits stored.
func TestAValueOfAnotherHostThatTakesTooMuchMemoryIsAnErrorWhereverItIsRead(t *testing.T) {
	const parts = 10_000
	name := onDisk.storeName(t)
	before := onDisk.registry(t)
	must(t, mustOpen(t, before, name).Set(ctx, "k", refusedValue(parts), 0))
	must(t, before.Close())

	r := onDisk.registry(t, extlibs.MaxOperationBytes(2<<20), extlibs.MaxValueBytes(1<<19))
	h := mustOpen(t, r, name)
	p := interpreter(r, nil)
	must(t, p.SetVar("name", name))
	eval(t, p, "import scriptling.runtime.kv as kv\nstore = kv.open(name)")
	for _, call := range []string{
		`store.get("k")`, `store.items()`, `store.get_many(["k"])`, `store.each(lambda k, v: True)`, `store.update("k", lambda old: 1)`,
		`store.get_or_set("k", lambda: 1)`, `store.pop("k")`, `store.pop_first()`, `store.pop_first("*k")`, `store.pop_first("k")`, `store.update_many(["k"], lambda values: {})`,
	} {
		var clause, message string
		took := allocated(func() { clause, message = caught(t, p, call) })
		if clause != "ValueError" || !strings.Contains(message, "MaxOperationBytes") || took > 4<<20 {
			t.Errorf("%s raised %s %q after %d KB", call, clause, message, took>>10)
		}
	}
	for name, call := range map[string]func() error{
		"Get":     func() error { _, err := h.Get(ctx, "k"); return err },
		"Get[T]":  func() error { _, err := extlibs.Get[[]map[any]any](ctx, h, "k"); return err },
		"Pop":     func() error { _, err := h.Pop(ctx, "k"); return err },
		"Items":   func() error { _, err := h.Items(ctx, extlibs.ListOptions{}); return err },
		"GetMany": func() error { _, err := h.GetMany(ctx, []string{"k"}); return err },
		"All": func() error {
			for _, err := range h.All(ctx, extlibs.ListOptions{}) {
				return err
			}
			return nil
		},
		"Update": func() error { _, err := h.Update(ctx, "k", func(any, bool) (any, error) { return 1, nil }); return err },
	} {
		var err error
		took := allocated(func() { err = call() })
		if !errors.Is(err, extlibs.ErrTooLarge) || took > 4<<20 {
			t.Errorf("%s: %v, after %d KB", name, err, took>>10)
		}
	}
	e, err := h.Store().Load(ctx, "k", extlibs.NeedValue)
	must(t, err)
	if v, err := e.Value.DecodeWithin(ctx, 16<<20); err != nil || len(v.([]any)) != parts {
		t.Errorf("DecodeWithin a larger limit: %v", err)
	}
	eval(t, p, `store.set("k", 1)`)
	if v, err := h.Get(ctx, "k"); v != int64(1) || err != nil {
		t.Errorf("after a set k is %v (%v)", v, err)
	}
}
