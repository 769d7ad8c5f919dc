package object_test

import (
	"testing"

	"github.com/paularlott/scriptling/internal/bridge"
	"github.com/paularlott/scriptling/object"
)

// A Go function that keeps the scope of its caller beyond the call finds it empty,
// without a root and without a lock, until another call uses it.
func TestTheScopeOfACallThatHasEndedIsEmptiedAndUsedAgain(t *testing.T) {
	for _, c := range []struct {
		name             string
		locals           int
		captured, lambda bool
		reused           bool
	}{
		{"a function without variables", 0, false, false, false},
		{"a function", 1, false, false, true},
		{"a function with many variables", 16, false, false, true},
		{"a function with too many variables", 17, false, false, false},
		{"a function that defines one", 1, true, false, false},
		{"a lambda", 1, false, true, true},
		{"a lambda that defines one", 1, true, true, true},
		{"a lambda without variables", 0, false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := object.NewEnvironment()
			root.Set("global", object.NewInteger(1))
			frame := bridge.TakeFrame(root).(*object.Environment)
			for i := range c.locals {
				frame.Set(string(rune('a'+i)), object.NewInteger(1))
			}
			if c.captured {
				bridge.Capture(frame)
			}
			bridge.ReleaseFrame(frame, c.lambda)
			_, visible := frame.Get("global")
			if emptied := !visible && frame.GetGlobal() == nil && frame.Root() == nil && len(frame.GetStore()) == 0; emptied != c.reused {
				t.Errorf("emptied: %v, want %v", emptied, c.reused)
			}
			next := bridge.TakeFrame(root).(*object.Environment)
			if (next == frame) != c.reused {
				t.Errorf("used again: %v, want %v", next == frame, c.reused)
			}
			if !c.reused {
				return
			}
			if next.Root() != root || len(next.GetStore()) != 0 {
				t.Error("a scope that is used again is not as a new one")
			}
			bridge.ReleaseFrame(next, true)
			if frame.EnterGIL() {
				t.Error("a lock was taken")
			}
			frame.ExitGIL()
			ran := false
			frame.RunUnlocked(func() { ran = true })
			if !ran {
				t.Error("RunUnlocked did not run its function")
			}
		})
	}
}

// The scope of a lambda that has ended can become the one of a function that it
// left behind, whose outer scope it is.
func TestAScopeIsNotUsedAgainInsideItself(t *testing.T) {
	root := object.NewEnvironment()
	outer := bridge.TakeFrame(root).(*object.Environment)
	inner := bridge.TakeFrame(outer).(*object.Environment)
	bridge.ReleaseFrame(outer, true)
	if next := bridge.TakeFrame(inner); next == any(outer) || next == any(inner) {
		t.Error("a scope became its own outer one")
	}
}
