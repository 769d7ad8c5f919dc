// Package bridge connects package object with the evaluator where one needs the
// other without making it part of a public interface. The variables are set
// once, when the packages are initialised.
package bridge

// Set by package object; env and with are *object.Environment.
var (
	// MarkGlobal makes assignments to name in env go to the global scope.
	MarkGlobal func(env any, name string)
	// MarkNonlocal makes assignments to name in env go to the enclosing
	// function scope that has the name.
	MarkNonlocal func(env any, name string)
	// ShareLock makes the tree of env use the interpreter lock of with.
	ShareLock func(env, with any)
)

// InstanceHash calls __hash__ of an *object.Instance. Set by the evaluator.
var InstanceHash func(instance any) (int64, bool)
