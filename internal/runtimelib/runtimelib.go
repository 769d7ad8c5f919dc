// Package runtimelib is what scripts import as scriptling.runtime beside the
// stores: background tasks (background.go starts them, tasks.go counts and ends
// them, taskcontext.go is their context, transfer.go judges what is passed to them,
// isolate.go copies what they would share, report.go tells of those that failed) and
// the builders of HTTP responses (http.go).
package runtimelib

import (
	"github.com/paularlott/scriptling/object"
)

// Name is the name under which scripts import background.
const Name = "scriptling.runtime"

// Register registers scriptling.runtime.http and scriptling.runtime, with the library
// kv as its part of that name. Tasks belong to t. Modules are dicts, which scripts can
// write to, and the interpreter makes only the outermost dict of a library anew for
// each import: those below it, and the class of requests, are made for p here. A Clone
// of p has them too, so they are registered again for it.
func Register(p object.LibraryRegistrar, t *Tasks, kv *object.Library) {
	http := HTTP()
	p.RegisterLibrary(http)
	s := newStarter(p, t, kv)
	p.RegisterLibrary(object.NewLibrary(Name,
		map[string]*object.Builtin{"background": {Fn: s.background, HelpText: backgroundHelp}},
		map[string]object.Object{"http": http.GetDict(), "kv": kv.GetDict()},
		"Background tasks, and the parts http (responses) and kv (shared state)."))
}
