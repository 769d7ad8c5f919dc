// Package runtimelib is what scripts import as scriptling.runtime beside the
// stores: background tasks (background.go starts them, tasks.go counts and ends
// them, transfer.go judges what is passed to them) and the builders of HTTP
// responses (http.go).
package runtimelib

import (
	"github.com/paularlott/scriptling/object"
)

// Name is the name under which scripts import background.
const Name = "scriptling.runtime"

// New makes the library scriptling.runtime for the interpreter that p is. Its
// tasks belong to t; parts are the libraries below it, by their last name.
func New(p object.LibraryRegistrar, t *Tasks, parts map[string]object.Object) *object.Library {
	s := newStarter(p, t)
	return object.NewLibrary(Name,
		map[string]*object.Builtin{"background": {Fn: s.background, HelpText: backgroundHelp}},
		parts,
		"Background tasks, and the parts http (responses) and kv (shared state).")
}
