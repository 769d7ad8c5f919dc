package extlibs_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
)

const benchKeys = 100_000

func benchKey(i int) string { return fmt.Sprintf("key:%08d", i%benchKeys) }

// filled returns a store with benchKeys keys of 16-byte strings.
func filled(b *testing.B, name string) *extlibs.Handle {
	b.Helper()
	r := extlibs.NewRegistry()
	b.Cleanup(func() { r.Close() })
	h, err := r.Open(context.Background(), name)
	if err != nil {
		b.Fatal(err)
	}
	values := make(map[string]any, benchKeys)
	for i := range benchKeys {
		values[benchKey(i)] = fmt.Sprintf("value-%010d", i)
	}
	if err := h.SetMany(context.Background(), values, 0); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	return h
}

func keysOf(b *testing.B) []string {
	b.Helper()
	keys := make([]string, benchKeys)
	for i := range keys {
		keys[i] = benchKey(i * 7919)
	}
	return keys
}

func BenchmarkMemoryGet(b *testing.B) {
	h, keys, ctx := filled(b, ":memory:bench"), keysOf(b), context.Background()
	i := 0
	for b.Loop() {
		if _, err := h.Get(ctx, keys[i%benchKeys]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkMemorySet(b *testing.B) {
	h, keys, ctx := filled(b, ":memory:bench"), keysOf(b), context.Background()
	var value any = "value-0123456789"
	i := 0
	for b.Loop() {
		if err := h.Set(ctx, keys[i%benchKeys], value, 0); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkMemoryMixed(b *testing.B) {
	h, keys := filled(b, ":memory:bench"), keysOf(b)
	var value any = "value-0123456789"
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for i := 0; pb.Next(); i++ {
			if i%10 == 0 {
				h.Set(ctx, keys[i%benchKeys], value, 0)
			} else {
				h.Get(ctx, keys[i%benchKeys])
			}
		}
	})
}

func BenchmarkMemoryPrefixKeys(b *testing.B) {
	h, ctx := filled(b, ":memory:bench"), context.Background()
	for b.Loop() {
		keys, err := h.Keys(ctx, extlibs.ListOptions{Pattern: "key:000123*"})
		if err != nil || len(keys) != 100 {
			b.Fatal(len(keys), err)
		}
	}
}

func BenchmarkBoltGet(b *testing.B) {
	h, keys, ctx := filled(b, filepath.Join(b.TempDir(), "kv.db")), keysOf(b), context.Background()
	i := 0
	for b.Loop() {
		if _, err := h.Get(ctx, keys[i%benchKeys]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkBoltSet(b *testing.B) {
	h, keys := filled(b, filepath.Join(b.TempDir(), "kv.db")), keysOf(b)
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("%dwriters", writers), func(b *testing.B) {
			b.SetParallelism(writers) // times GOMAXPROCS
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if err := h.Set(context.Background(), keys[i%benchKeys], "v", 0); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkMemoryDict(b *testing.B) {
	r := extlibs.NewRegistry()
	defer r.Close()
	h, ctx := r.Default(), context.Background()
	var dict any = map[string]any{"id": int64(1234567), "name": "Ada Lovelace", "email": "ada@example.org", "active": true, "score": 2.5}
	b.Run("set", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := h.Set(ctx, "key", dict, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := h.Set(ctx, "key", dict, 0); err != nil {
		b.Fatal(err)
	}
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Get(ctx, "key"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A method of a store as the interpreter calls it.
func BenchmarkScriptCall(b *testing.B) {
	r := extlibs.NewRegistry()
	defer r.Close()
	p := &recorder{}
	r.Register(p)
	store := p.lib.Constants()["default"].(*object.Builtin)
	method := func(name string) object.BuiltinFunction { return store.Attributes[name].(*object.Builtin).Fn }
	key := object.NewString("key")
	dict := object.NewStringDict(map[string]object.Object{
		"name": object.NewString("bob"), "age": object.NewInteger(42), "tags": &object.List{Elements: []object.Object{object.NewString("a")}},
	})
	flat := object.NewStringDict(map[string]object.Object{
		"id": object.NewInteger(1234567), "name": object.NewString("Ada Lovelace"), "email": object.NewString("ada@example.org"),
		"active": object.NewBoolean(true), "score": object.NewFloat(2.5),
	})
	byID := map[string]object.Object{}
	for i := range 1000 {
		byID[fmt.Sprintf("user-%06d", i)] = object.NewInteger(int64(i))
	}
	large := object.NewStringDict(byID)
	for _, c := range []struct {
		name, call string
		value      object.Object
	}{
		{"set int", "set", object.NewInteger(123456)}, {"get int", "get", object.NewInteger(123456)},
		{"set str", "set", object.NewString("value-0123456789")}, {"get str", "get", object.NewString("value-0123456789")},
		{"set dict", "set", dict}, {"get dict", "get", dict},
		{"set flat dict", "set", flat}, {"get flat dict", "get", flat},
		{"set large dict", "set", large}, {"get large dict", "get", large},
	} {
		b.Run(c.name, func(b *testing.B) {
			ctx := context.Background()
			method("set")(ctx, object.Kwargs{}, key, c.value)
			args := []object.Object{key}
			if c.call == "set" {
				args = append(args, c.value)
			}
			fn := method(c.call)
			b.ReportAllocs()
			for b.Loop() {
				if result := fn(ctx, object.Kwargs{}, args...); object.IsError(result) {
					b.Fatal(result.Inspect())
				}
			}
		})
	}
}

type recorder struct{ lib *object.Library }

func (r *recorder) RegisterLibrary(lib *object.Library) { r.lib = lib }
