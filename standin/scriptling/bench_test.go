package scriptling_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
)

// benchmarkLoop runs a statement b.N times inside one script loop, so that the
// figures are those of one turn.
func benchmarkLoop(b *testing.B, setup, statement string) {
	b.Helper()
	p := newBenchInterpreter()
	if _, err := p.Eval(setup); err != nil {
		b.Fatal(err)
	}
	script := fmt.Sprintf("def loop(n):\n    for i in range(n):\n        %s\n", statement)
	if _, err := p.Eval(script); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := p.CallFunction("loop", b.N); err != nil {
		b.Fatal(err)
	}
}

func newBenchInterpreter() *scriptling.Scriptling {
	p := scriptling.New()
	p.SetOutputWriter(io.Discard)
	none := &object.Null{}
	store := &object.Builtin{Attributes: map[string]object.Object{
		"get": &object.Builtin{Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object { return none }},
	}}
	_ = p.SetObjectVar("store", store)
	p.RegisterFunc("noop", func(context.Context, object.Kwargs, ...object.Object) object.Object { return none })
	return p
}

func BenchmarkEmptyLoop(b *testing.B)  { benchmarkLoop(b, "", "pass") }
func BenchmarkArithmetic(b *testing.B) { benchmarkLoop(b, "", "x = (i * 3 + 7) % 100 - 2") }
func BenchmarkCompare(b *testing.B)    { benchmarkLoop(b, "", "x = 1 if i % 7 == 3 else 0") }

func BenchmarkFunctionCall(b *testing.B) {
	benchmarkLoop(b, "def f(a, b):\n    return a", "f(1, 2)")
}

func BenchmarkKeywordCall(b *testing.B) {
	benchmarkLoop(b, "def f(a, b=2):\n    return a", "f(1, b=5)")
}

func BenchmarkMethodCall(b *testing.B) {
	benchmarkLoop(b, "class C:\n    def m(self, a):\n        return a\nc = C()", "c.m(1)")
}

func BenchmarkBuiltinCall(b *testing.B)    { benchmarkLoop(b, "", "noop(1, 2)") }
func BenchmarkAttributeCall(b *testing.B)  { benchmarkLoop(b, "", "store.get('key', 1)") }
func BenchmarkDictBuild(b *testing.B)      { benchmarkLoop(b, "", "d = {'a': 1, 'b': 2, 'n': i}") }
func BenchmarkListIndex(b *testing.B)      { benchmarkLoop(b, "l = [1, 2, 3]", "l[1]") }
func BenchmarkStringMethod(b *testing.B)   { benchmarkLoop(b, "s = 'abc'", "s.startswith('a')") }
func BenchmarkFString(b *testing.B)        { benchmarkLoop(b, "s = 'abc'", "f'{s}:{5}'") }
func BenchmarkTryExcept(b *testing.B)      { benchmarkLoop(b, "", "try: 1 / 0\n        except: pass") }
func BenchmarkGlobalFunction(b *testing.B) { benchmarkLoop(b, "l = [1, 2, 3]", "len(l)") }

func BenchmarkEvalShortScript(b *testing.B) {
	p := newBenchInterpreter()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Eval("x = 1"); err != nil {
			b.Fatal(err)
		}
	}
}
