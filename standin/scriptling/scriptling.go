// Package scriptling is a small interpreter of a Python-like language for use
// inside Go programs. It is a stand-in for the published module of the same
// path, written for building and testing code that is compiled against it.
//
// A Scriptling is an interpreter. Its methods evaluate scripts (evaluate.go),
// call functions and methods from Go (functions.go), read and set variables
// (variables.go), and register and import libraries (libraries.go, importer.go).
//
// The values of scripts are in package object, conversions from and to Go values
// in package conversion, the errors that Go functions return in package errors.
// Go functions call back into scripts with packages evaliface and evaluator. A
// source text goes through internal/lexer, internal/parser (which makes an
// internal/ast) and internal/eval; stdlib is a choice of standard libraries.
//
// Eval and its variants, CallFunction, CreateInstance and CallMethod may be
// called by several goroutines; they wait for each other. All other methods need
// an interpreter that is not running.
package scriptling

import (
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/paularlott/scriptling/internal/eval"
	"github.com/paularlott/scriptling/object"
)

const (
	importName = "import"
	nameVar    = "__name__"
	fileVar    = "__file__"
	mainName   = "__main__"
)

// Scriptling is an interpreter: a global environment that persists between
// evaluations, and the libraries its scripts may import.
type Scriptling struct {
	env  *object.Environment
	file string // source file in the locations of errors

	mu        sync.RWMutex // guards the registrations below
	libraries map[string]*object.Library
	scripts   map[string]string
	loader    LibraryLoader

	modules *modules // evaluated script libraries
}

// Kwargs as the last argument of a call gives keyword arguments.
type Kwargs map[string]interface{}

// LibraryLoader finds the source of libraries that are not registered.
type LibraryLoader interface {
	Load(name string) (source string, found bool, err error)
	Description() string
}

// New returns an interpreter without libraries.
func New() *Scriptling {
	p := &Scriptling{
		env:       object.NewEnvironment(),
		libraries: map[string]*object.Library{},
		scripts:   map[string]string{},
		modules:   newModules(),
	}
	p.env.SetImportCallback(p.importLibrary)
	p.env.SetAvailableLibrariesCallback(p.availableLibraries)
	p.bindBasics()
	return p
}

func (p *Scriptling) bindBasics() {
	p.env.SetGlobal(importName, eval.ImportBuiltin)
	p.env.SetGlobal(nameVar, object.NewString(mainName))
}

// Clone returns an interpreter with the same registered libraries and loader,
// an empty environment and the default output.
func (p *Scriptling) Clone() *Scriptling {
	c := New()
	p.mu.RLock()
	defer p.mu.RUnlock()
	maps.Copy(c.libraries, p.libraries)
	maps.Copy(c.scripts, p.scripts)
	c.loader = p.loader
	c.modules = p.modules.copy()
	return c
}

// Reset drops all variables, imports and captured output. Registered libraries
// stay.
func (p *Scriptling) Reset() {
	p.env.ResetStore(nil)
	p.env.GetOutput()
	p.modules = newModules()
	p.file = ""
	p.bindBasics()
}

// ResetEnv drops all variables but those given.
func (p *Scriptling) ResetEnv(keepKeys ...string) {
	keep := map[string]bool{importName: true}
	for _, key := range keepKeys {
		keep[key] = true
	}
	p.env.ResetStore(keep)
	p.modules.keep(keep)
}

// SetOutputWriter sets where print writes.
func (p *Scriptling) SetOutputWriter(w io.Writer) { p.env.SetOutputWriter(w) }

// EnableOutputCapture makes print write to a buffer that GetOutput empties.
func (p *Scriptling) EnableOutputCapture() { p.env.EnableOutputCapture() }

// GetOutput returns and clears what was captured.
func (p *Scriptling) GetOutput() string { return p.env.GetOutput() }

// SetInputReader sets where input is read.
func (p *Scriptling) SetInputReader(r io.Reader) { p.env.SetInputReader(r) }

// SetSourceFile sets the file name in the locations of errors. A name that is
// not empty also sets __file__ and __name__.
func (p *Scriptling) SetSourceFile(name string) {
	p.file = name
	if name != "" {
		p.env.SetGlobal(fileVar, object.NewString(name))
		p.env.SetGlobal(nameVar, object.NewString(mainName))
	}
}

// availableLibraries lists what scripts may import.
func (p *Scriptling) availableLibraries() []object.LibraryInfo {
	p.mu.RLock()
	names := slices.AppendSeq(slices.Collect(maps.Keys(p.libraries)), maps.Keys(p.scripts))
	p.mu.RUnlock()
	slices.Sort(names)
	infos := []object.LibraryInfo{}
	for _, name := range slices.Compact(names) {
		infos = append(infos, object.LibraryInfo{Name: name, IsImported: p.env.IsImportedBinding(name)})
	}
	return infos
}
