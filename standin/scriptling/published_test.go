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
//	a clone shares the modules that are loaded     TestScriptLibraries
//	the texts of errors of Import                  TestImportArguments
//	from a.b import c does not find a.b.c          TestFromDoesNotFindALibraryBelow
//	a capture continues after SetOutputWriter        TestWriters
//	SnapshotCallables shares nested dicts          TestSnapshotCallables (object)
//	help prints the whole docstring                TestHelpPrintsTheWholeDocstring
//	an iterator is true, also at its end           TestIteratorsAreTrue
//	an iterator cannot fail                        TestAnIteratorThatFailsEndsALoopOrBecomesAnElement
//	asctime and ctime do not pad the day           TestTimeLists (stdlib)
//	the weekday is 0 on Sundays                    TestTimeLists (stdlib)
//	random.choice of a str picks a byte            TestChoiceOfATextPicksAByte (stdlib)
//	a store, which is a Builtin, is no dict        TestBuiltinAttributes
//	a module's functions precede dict methods      testdata/conformance/124_module_is_a_dict.py
//	positional-only /, yield, async, b"" and u""   refused earlier: TestRejectedSources
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

func TestFromDoesNotFindALibraryBelow(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("a.b.c", "1"))
	check(t, p, "try:\n    from a.b import c\n    print('found')\nexcept ImportError:\n    print('not found')", "not found")
}

func TestHelpPrintsTheWholeDocstring(t *testing.T) {
	check(t, scriptling.New(), "def f():\n    \"\"\"One.\n\n    Two.\"\"\"\nhelp(f)", "Help for function 'f':\nf() - One.\n\n    Two.")
}

func TestIteratorsAreTrue(t *testing.T) {
	check(t, scriptling.New(), "it = iter([1])\nnext(it)\nprint(bool(it), bool(iter([])))", "true true")
}

// No failure inside a lazy iterator reaches the loop over it, so the library has none.
func TestAnIteratorThatFailsEndsALoopOrBecomesAnElement(t *testing.T) {
	p := scriptling.New()
	n := 0
	p.RegisterFunc("failing", func(context.Context, object.Kwargs, ...object.Object) object.Object {
		n = 0
		return object.NewIterator(func() (object.Object, bool) {
			if n++; n > 1 {
				return &object.Error{Message: "lost"}, true
			}
			return object.NewInteger(1), true
		})
	})
	check(t, p, "def f():\n    seen = []\n    for x in failing():\n        seen.append(1)\n        if len(seen) > 5:\n            break\n    return len(seen)\nprint(f())", "1")
}
