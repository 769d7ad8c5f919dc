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

// callBack runs a script's function. The interpreter's lock is held, and no lock of a store.
// takes describes the arguments of fn, for the error.
func callBack(ctx context.Context, fn object.Object, takes string, args ...object.Object) (object.Object, error) {
	eval := evaliface.FromContext(ctx)
	if eval == nil {
		return nil, kverr.Errorf(ErrType, "fn cannot run, because the context of the call has no interpreter; make the call in a script")
	}
	mark := &callbackMark{computing: ctx.Value(computingKey{}) != nil}
	if outer, ok := ctx.Value(callbackKey{}).(*callbackMark); ok {
		mark.nesting = outer.nesting + 1
	}
	if mark.nesting == maxNesting {
		return nil, kverr.Errorf(errNesting, "callbacks are nested more than %d deep; check whether fn makes the call that runs it", maxNesting)
	}
	defer mark.ended.Store(true)
	ctx = context.WithValue(ctx, callbackKey{}, mark)
	switch result := eval.CallObjectFunction(ctx, fn, args, nil, evaluator.GetEnvFromContext(ctx)).(type) {
	case *object.Error:
		// An error without a line came before the first statement of fn: its number of
		// parameters is wrong.
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

// calledWithNone adds to an error of the interpreter, such as "type mismatch", that update
// called its function with None because the key is absent. Exceptions of scripts and errors of
// the library are returned unchanged.
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
	told.Message += " (the key is absent, so fn was called with None; pass a default, as in update(key, fn, 0))"
	return &scriptRaise{&told}
}

// The arguments of callbacks, for errors.
const (
	takesNothing = "no argument; write it as lambda: value"
	takesEntry   = "two arguments, the key and the value; write it as lambda key, value: None"
	takesValues  = "one argument, a dict of the values; write it as lambda values: {...}"
	takesOld     = "one argument, the value; write it as lambda old: new"
)

// maxNesting limits the nesting of callbacks. Each level takes far more of the host's stack
// than a call between functions of a script.
const maxNesting = 32
