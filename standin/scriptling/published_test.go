package scriptling_test

import (
	"context"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

// In these ways the published interpreter surprised tests that passed here. The stand-in
// does the same, so that tests hold in both:
//
//	equal first programs share a table of names    TestInterpretersWithEqualFirstProgramsShareTheTableOfTheirNames
//	a call's scope is emptied and used again       TestTheScopeOfACallThatHasEndedIsEmptiedAndUsedAgain (object),
//	                                               TestTheScopeThatAGoFunctionKeepsIsEmptyAfterTheCall
//	a lambda's scope ends with it                  TestAFunctionThatALambdaReturnsHasLostItsNames
//	texts are not shared, small ints are           TestSharedObjects (object)
//	`is` compares short texts and small ints       testdata/extra/142_s74_in_is_truth.py
//	some parse errors are panics that leave Eval   TestSomeSyntaxErrorsInFunctionsArePanicsThatLeaveEval
//	CallFunction recovers from nothing             TestCallFunctionDoesNotRecoverPanics
//	CallFunction has no limit of depth             TestRecursionWithoutCallDepth (internal/eval)
//	objects among a library's constants are shared TestWhatALibraryHoldsIsSharedByAllWhoImportIt
//
// The stand-in does not call __del__, and has none of Scriptling's own runtime: no test
// here can show how these behave.

func TestTheScopeThatAGoFunctionKeepsIsEmptyAfterTheCall(t *testing.T) {
	p := scriptling.New()
	var kept, global *object.Environment
	p.RegisterFunc("keep", func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
		kept = evaluator.GetEnvFromContext(ctx)
		global = kept.GetGlobal()
		return &object.Null{}
	})
	check(t, p, "x = 1\ndef f(a):\n    keep()\n    return a\nprint(f(2))", "2")
	if _, ok := kept.Get("a"); ok || kept.GetGlobal() != nil {
		t.Error("the scope of a call is there after the call")
	}
	if x, ok := global.Get("x"); !ok || x.Inspect() != "1" {
		t.Errorf("x of the global scope is %v", x)
	}
}

func TestAFunctionThatALambdaReturnsHasLostItsNames(t *testing.T) {
	p := scriptling.New()
	check(t, p, "by_def = None\ndef adder(n):\n    return lambda old: old + n\nprint(adder(2)(3))", "5")
	check(t, p, "adder = lambda n: (lambda old: old + n)\nadd = adder(2)\nprint(add(3))", "RESULT ERROR: identifier not found: n (line 3)")
}

func TestWhatALibraryHoldsIsSharedByAllWhoImportIt(t *testing.T) {
	inner := object.NewStringDict(map[string]object.Object{"k": object.NewInteger(1)})
	library := object.NewLibrary("lib", nil, map[string]object.Object{"inner": inner}, "")
	p, other := scriptling.New(), scriptling.New()
	p.RegisterLibrary(library)
	other.RegisterLibrary(library)
	check(t, p, "import lib\nlib.inner['k'] = 2\nlib.added = 1", "")
	for name, q := range map[string]*scriptling.Scriptling{"another interpreter": other, "a clone": p.Clone()} {
		check(t, q, "import lib\nprint(lib.inner['k'], lib.added) # "+name, "2 None")
	}
}
