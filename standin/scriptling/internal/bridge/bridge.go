// Package bridge connects package object with the evaluator where one needs the
// other without making it part of a public interface. The variables are set
// once, when the packages are initialised.
package bridge

import "context"

// Set by package object; env and with are *object.Environment.
var (
	// MarkGlobal makes assignments to name in env go to the global scope.
	MarkGlobal func(env any, name string)
	// IsGlobal reports whether MarkGlobal was called for name in env.
	IsGlobal func(env any, name string) bool
	// MarkNonlocal makes assignments to name in env go to the enclosing
	// function scope that has the name.
	MarkNonlocal func(env any, name string)
	// MarkPlaceholder notes that the module of that dotted name was only made
	// to hold modules below it. MarkImportedBinding takes the note back.
	MarkPlaceholder func(env any, name string)
	// IsPlaceholder reports whether such a note exists.
	IsPlaceholder func(env any, name string) bool
	// SetImportContext notes the context of the import statement that is about
	// to call the import callback of env.
	SetImportContext func(env any, ctx context.Context)
	// ImportContext returns the context noted last.
	ImportContext func(env any) context.Context
	// SameLock reports whether two trees use the same interpreter lock.
	SameLock func(env, other any) bool
	// AdoptNames makes the global scope env keep the variables that it does not have
	// yet in the places of a table of names, unless it has adopted one before.
	AdoptNames func(env, names any)
	// TakeFrame returns an empty scope inside outer for a call of a function.
	TakeFrame func(outer any) any
	// ReleaseFrame empties the scope of a call that has ended and keeps it for
	// another one: always of a lambda, of a function unless Capture was called.
	ReleaseFrame func(env any, lambda bool)
	// Capture notes that a function was defined in the scope env.
	Capture func(env any)
	// ShareLock makes the tree of env use the interpreter lock of with.
	ShareLock func(env, with any)
)

// InstanceHash calls __hash__ of an *object.Instance. Set by the evaluator.
var InstanceHash func(instance any) (int64, bool)
