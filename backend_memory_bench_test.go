package extlibs_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
)

// The calls with a fast path, on one key, which stays in the processor's cache, and on
// 131,072 keys in an order that it cannot foresee.

const manyKeys = 1 << 17

// pointCases calls run for each size of the working set, with its keys and as many
// keys that the store does not have.
func pointCases(b *testing.B, run func(b *testing.B, keys, absent []string)) {
	for _, n := range []int{1, manyKeys} {
		keys, absent := make([]string, n), make([]string, n)
		for i := range n {
			keys[i], absent[i] = fmt.Sprintf("key:%08d", i*7919%n), fmt.Sprintf("not:%08d", i*7919%n)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) { run(b, keys, absent) })
	}
}

func BenchmarkPoint(b *testing.B) {
	ctx := context.Background()
	var value any = "value-0123456789"
	pointCases(b, func(b *testing.B, keys, absent []string) {
		r := extlibs.NewRegistry()
		defer r.Close()
		h := r.Default()
		fill := func(ttl time.Duration) {
			for _, key := range keys {
				if err := h.Set(ctx, key, value, ttl); err != nil {
					b.Fatal(err)
				}
			}
		}
		measure := func(name string, keys []string, call func(key string) error) {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				mask := len(keys) - 1
				for i := 0; b.Loop(); i++ {
					if err := call(keys[i&mask]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		get := func(key string) error { _, err := h.Get(ctx, key); return err }
		exists := func(key string) error { _, err := h.Exists(ctx, key); return err }
		fill(0)
		measure("get", keys, get)
		measure("get absent", absent, func(key string) error { h.Get(ctx, key); return nil })
		measure("exists", keys, exists)
		measure("exists absent", absent, exists)
		measure("set", keys, func(key string) error { return h.Set(ctx, key, value, 0) })
		fill(time.Hour)
		measure("get ttl", keys, get)
		measure("set ttl", keys, func(key string) error { return h.Set(ctx, key, value, time.Hour) })
	})
}

func BenchmarkScriptPoint(b *testing.B) {
	ctx := context.Background()
	pointCases(b, func(b *testing.B, keys, absent []string) {
		r := extlibs.NewRegistry()
		defer r.Close()
		p := &recorder{}
		r.Register(p)
		store := p.lib.Constants()["default"].(*object.Builtin)
		objects := func(keys []string) []object.Object {
			list := make([]object.Object, len(keys))
			for i, key := range keys {
				list[i] = object.NewString(key)
			}
			return list
		}
		live, none := objects(keys), objects(absent)
		measure := func(name, call string, keys []object.Object, more ...object.Object) {
			fn := store.Attributes[call].(*object.Builtin).Fn
			args := append(make([]object.Object, 1), more...)
			run := func(key object.Object) {
				args[0] = key
				if result := fn(ctx, object.Kwargs{}, args...); object.IsError(result) {
					b.Fatal(result.Inspect())
				}
			}
			if call == "set" {
				for _, key := range keys {
					run(key)
				}
			}
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				mask := len(keys) - 1
				for i := 0; b.Loop(); i++ {
					run(keys[i&mask])
				}
			})
		}
		text, number, dict, hour := object.NewString("value-0123456789"), object.NewInteger(1234567), object.NewStringDict(map[string]object.Object{
			"id": object.NewInteger(1234567), "name": object.NewString("Ada Lovelace"), "active": object.NewBoolean(true), "score": object.NewFloat(2.5),
		}), object.NewInteger(3600)
		for _, v := range []struct {
			name  string
			value object.Object
		}{{"int", number}, {"str", text}, {"dict", dict}} {
			measure("set "+v.name, "set", live, v.value)
			measure("get "+v.name, "get", live)
		}
		measure("get absent", "get", none)
		measure("exists", "exists", live)
		measure("exists absent", "exists", none)
		measure("set str ttl", "set", live, text, hour)
		measure("get str ttl", "get", live)
	})
}
