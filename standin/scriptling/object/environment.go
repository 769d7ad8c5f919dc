package object

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"

	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/bridge"
)

// Environment is a scope of variables. The scopes of one interpreter form a
// tree below its global scope.
type Environment struct {
	outer *Environment
	root  *Environment
	vars  scope
	out   *output
	marks map[string]mark // of global and nonlocal statements

	captured bool // a function was defined in this scope
	*tree         // set in the root only
}

// tree is what a root has besides its variables.
type tree struct {
	gil       *interpreterLock
	imported  map[string]importKind
	reader    io.Reader
	importer  func(string) error
	importing context.Context // of the import statement being executed
	available func() []LibraryInfo
	free      []*Environment // scopes of finished calls, for the next ones
}

// output is where print goes. Function scopes keep the output that was current
// when they were made.
type output struct {
	writer  io.Writer
	capture *bytes.Buffer
}

// importKind tells how a module got its name.
type importKind uint8

const (
	importPlaceholder importKind = iota + 1 // made to hold modules below it
	importLoaded
)

type mark uint8

const (
	markGlobal mark = iota + 1
	markNonlocal
)

func init() {
	bridge.MarkGlobal = func(env any, name string) { env.(*Environment).mark(name, markGlobal) }
	bridge.IsGlobal = func(env any, name string) bool { return env.(*Environment).marks[name] == markGlobal }
	bridge.MarkNonlocal = func(env any, name string) { env.(*Environment).mark(name, markNonlocal) }
	bridge.MarkPlaceholder = func(env any, name string) { env.(*Environment).markImported(name, importPlaceholder) }
	bridge.IsPlaceholder = func(env any, name string) bool {
		return env.(*Environment).root.imported[name] == importPlaceholder
	}
	bridge.SetImportContext = func(env any, ctx context.Context) { env.(*Environment).root.importing = ctx }
	bridge.ImportContext = func(env any) context.Context { return env.(*Environment).root.importing }
	bridge.SameLock = func(env, other any) bool { return env.(*Environment).root.gil == other.(*Environment).root.gil }
	bridge.AdoptNames = func(env, names any) { env.(*Environment).vars.adopt(names.(*ast.Names)) }
	bridge.TakeFrame = func(outer any) any { return takeFrame(outer.(*Environment)) }
	bridge.ReleaseFrame = func(env any, lambda bool) { releaseFrame(env.(*Environment), lambda) }
	bridge.Capture = func(env any) {
		for e := env.(*Environment); e != nil && e != e.root && !e.captured; e = e.outer {
			e.captured = true
		}
	}
	bridge.ShareLock = func(env, with any) { env.(*Environment).root.gil = with.(*Environment).root.gil }
}

// NewEnvironment returns an empty global scope with its own interpreter lock.
func NewEnvironment() *Environment {
	e := &Environment{tree: &tree{gil: &interpreterLock{}}}
	e.root = e
	return e
}

// NewEnclosedEnvironment returns an empty scope inside outer.
func NewEnclosedEnvironment(outer *Environment) *Environment {
	return &Environment{outer: outer, root: outer.root, out: outer.out}
}

// maxReusedLocals is how many variables a function may have for its scope to be
// used again.
const maxReusedLocals = 16

// maxFreeFrames is how many scopes of finished calls an interpreter keeps.
const maxFreeFrames = 64

// takeFrame returns an empty scope inside outer, one that releaseFrame was given if
// it can. The caller holds the interpreter lock.
func takeFrame(outer *Environment) *Environment {
	root := outer.root
	if root == nil || len(root.free) == 0 {
		return NewEnclosedEnvironment(outer)
	}
	last := len(root.free) - 1
	e := root.free[last]
	for o := outer; o != nil; o = o.outer {
		if o == e { // a lambda that has outlived the scope of its definition
			return NewEnclosedEnvironment(outer)
		}
	}
	root.free[last] = nil
	root.free = root.free[:last]
	e.outer, e.root, e.out = outer, root, outer.out
	return e
}

// releaseFrame empties the scope of a call that has ended, for another call to
// use. Who kept it finds neither variables nor a root in it.
func releaseFrame(e *Environment, lambda bool) {
	root, locals := e.root, len(e.vars.list)
	if root == nil || root == e || !lambda && (e.captured || locals == 0 || locals > maxReusedLocals) {
		return
	}
	e.vars.empty()
	e.outer, e.root, e.out, e.marks, e.captured = nil, nil, nil, nil, false
	if len(root.free) < maxFreeFrames {
		root.free = append(root.free, e)
	}
}

// Get finds a variable in this scope or in those around it.
func (e *Environment) Get(name string) (Object, bool) {
	for ; e != nil; e = e.outer {
		if v, ok := e.vars.get(name); ok {
			return v, true
		}
		if e.marks != nil && e.marks[name] == markGlobal && e.root != nil {
			return e.root.vars.get(name)
		}
	}
	return nil, false
}

// Set assigns a variable in this scope, or where a global or nonlocal statement
// says.
func (e *Environment) Set(name string, val Object) Object {
	if e.marks != nil {
		switch e.marks[name] {
		case markGlobal:
			return e.SetGlobal(name, val)
		case markNonlocal:
			for outer := e.outer; outer != nil; outer = outer.outer {
				if outer.vars.has(name) {
					outer.vars.set(name, val)
					return val
				}
			}
		}
	}
	e.vars.set(name, val)
	return val
}

// Delete removes a variable of this scope.
func (e *Environment) Delete(name string) {
	e.vars.delete(name)
	if e == e.root {
		delete(e.imported, name)
	}
}

// SetGlobal assigns a variable of the global scope.
func (e *Environment) SetGlobal(name string, val Object) Object {
	if e.root != nil {
		e.root.vars.set(name, val)
	}
	return val
}

// GetGlobal returns the global scope, or nil for the scope of a call that has ended.
func (e *Environment) GetGlobal() *Environment { return e.root }

// Root is GetGlobal.
func (e *Environment) Root() *Environment { return e.root }

// GetStore returns a copy of the variables of this scope.
func (e *Environment) GetStore() map[string]Object {
	bindings := e.vars.bindings()
	store := make(map[string]Object, len(bindings))
	for _, b := range bindings {
		store[b.name] = b.value
	}
	return store
}

// ResetStore removes all variables of this scope but those in keep.
func (e *Environment) ResetStore(keep map[string]bool) {
	old := e.GetStore()
	e.vars.reset()
	for name, v := range old {
		if keep[name] {
			e.vars.set(name, v)
		}
	}
	if e != e.root {
		return
	}
	imported := e.imported
	e.imported = nil
	for name, kind := range imported {
		root, _, _ := strings.Cut(name, ".")
		if keep[name] || keep[root] {
			e.markImported(name, kind)
		}
	}
}

func (e *Environment) mark(name string, m mark) {
	if e.marks == nil {
		e.marks = make(map[string]mark)
	}
	e.marks[name] = m
}

// GetWriter returns where print writes: os.Stdout unless something else was set.
func (e *Environment) GetWriter() io.Writer {
	if e.out == nil {
		return os.Stdout
	}
	return e.out.writer
}

// SetOutputWriter sets where print writes. It does not end a capture.
func (e *Environment) SetOutputWriter(w io.Writer) {
	if out := e.root.out; out == nil || out.capture == nil {
		e.root.setOutput(&output{writer: w}, e)
	}
}

// EnableOutputCapture makes print write to a buffer that GetOutput empties.
func (e *Environment) EnableOutputCapture() {
	buf := &bytes.Buffer{}
	e.root.setOutput(&output{writer: buf, capture: buf}, e)
}

func (e *Environment) setOutput(out *output, from *Environment) {
	e.out = out
	from.out = out
}

// GetOutput returns and clears what was captured.
func (e *Environment) GetOutput() string {
	out := e.root.out
	if out == nil || out.capture == nil {
		return ""
	}
	s := out.capture.String()
	out.capture.Reset()
	return s
}

// GetReader returns where input is read: os.Stdin unless something else was set.
func (e *Environment) GetReader() io.Reader {
	if e.root.reader == nil {
		return os.Stdin
	}
	return e.root.reader
}

// SetInputReader sets where input is read.
func (e *Environment) SetInputReader(r io.Reader) { e.root.reader = r }

// SetImportCallback sets the function that import statements call to bind a
// library in the global scope.
func (e *Environment) SetImportCallback(fn func(string) error) { e.root.importer = fn }

// GetImportCallback returns the function that import statements call.
func (e *Environment) GetImportCallback() func(string) error { return e.root.importer }

// SetAvailableLibrariesCallback sets the function that lists the libraries.
func (e *Environment) SetAvailableLibrariesCallback(fn func() []LibraryInfo) { e.root.available = fn }

// GetAvailableLibrariesCallback returns the function that lists the libraries.
func (e *Environment) GetAvailableLibrariesCallback() func() []LibraryInfo { return e.root.available }

// MarkImportedBinding notes that the global variable was bound by an import.
func (e *Environment) MarkImportedBinding(name string) { e.markImported(name, importLoaded) }

func (e *Environment) markImported(name string, kind importKind) {
	if e.root.imported == nil {
		e.root.imported = make(map[string]importKind)
	}
	e.root.imported[name] = kind
}

// IsImportedBinding reports whether the global variable was bound by an import.
func (e *Environment) IsImportedBinding(name string) bool { return e.root.imported[name] != 0 }
