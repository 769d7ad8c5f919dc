package extlibs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/paularlott/scriptling/evaliface"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// callBack runs a script's function. The interpreter lock is held, no store is.
// takes says what fn is called with.
func callBack(ctx context.Context, fn object.Object, takes string, args ...object.Object) (object.Object, error) {
	eval := evaliface.FromContext(ctx)
	if eval == nil {
		return nil, kverr.Errorf(ErrType, "fn needs an interpreter to run in, and this call came without one")
	}
	mark := &callbackMark{computing: ctx.Value(computingKey{}) != nil}
	if outer, ok := ctx.Value(callbackKey{}).(*callbackMark); ok {
		mark.nesting = outer.nesting + 1
	}
	if mark.nesting == maxNesting {
		return nil, kverr.Errorf(errNesting, "functions that stores call are nested more than %d deep; does fn make the call that runs it?", maxNesting)
	}
	defer mark.ended.Store(true)
	ctx = context.WithValue(ctx, callbackKey{}, mark)
	switch result := eval.CallObjectFunction(ctx, fn, args, nil, evaluator.GetEnvFromContext(ctx)).(type) {
	case *object.Error:
		// A call of fn that does not fit it has no line yet: it failed before
		// the first statement.
		if result.Line == 0 && strings.HasPrefix(result.Message, fmt.Sprintf("argument error: got %d arguments, want ", len(args))) {
			return nil, kverr.Errorf(ErrType, "fn is called with %s (%s)", takes, result.Message)
		}
		return nil, &scriptRaise{result}
	case *object.Exception:
		return nil, &scriptRaise{result}
	case nil:
		return none, nil
	default:
		return result, nil
	}
}

// calledWithNone adds to an error of the interpreter, such as "type mismatch", that the
// function of update got None for an absent key. What a script raises, and what the
// library says, stays as it is.
func calledWithNone(ctx context.Context, err error) error {
	var raised *scriptRaise
	if ctx.Err() != nil || !errors.As(err, &raised) {
		return err
	}
	e, ok := raised.obj.(*object.Error)
	if !ok || e.ExceptionType != "" && e.ExceptionType != object.ExceptionTypeTypeError || strings.HasPrefix(e.Message, "kv.") {
		return err
	}
	told := *e
	told.Message += " (the key is absent, so fn was called with None; give update a default, as in update(key, fn, 0))"
	return &scriptRaise{&told}
}

// What the functions of the calls are called with.
const (
	takesNothing = "no argument; write it as lambda: value"
	takesEntry   = "two arguments, the key and the value; write it as lambda key, value: None"
	takesValues  = "one argument, a dict of the values; write it as lambda values: {...}"
	takesOld     = "one argument, the value; write it as lambda old: new"
)

// maxNesting is how many callbacks may run inside each other. Each costs the
// host's stack far more than a call between scripts does, and each wait below
// many of them costs more than the one before.
const maxNesting = 32
