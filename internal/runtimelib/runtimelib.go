// Package runtimelib implements the parts of scriptling.runtime other than the stores:
// background tasks and the builders of HTTP responses.
//
//	background.go   starts tasks
//	tasks.go        counts and ends them
//	taskcontext.go  their context
//	transfer.go     checks the arguments and results of tasks
//	isolate.go      copies objects that scripts must not share
//	report.go       reports failed tasks
//	http.go         requests and responses
package runtimelib

import (
	"github.com/paularlott/scriptling/object"
)

// Name is the name of the library of background tasks.
const Name = "scriptling.runtime"

// Register registers scriptling.runtime.http and scriptling.runtime, with kv as part of the
// latter. t runs the background tasks. Modules are dicts that scripts can write to, and an
// import copies only the outermost one; Register therefore creates the inner dicts and the
// class Request for p alone. A Clone of p shares them, so register again for the clone.
func Register(p object.LibraryRegistrar, t *Tasks, kv *object.Library) {
	http := HTTP()
	p.RegisterLibrary(http)
	s := newStarter(p, t, kv)
	p.RegisterLibrary(object.NewLibrary(Name,
		map[string]*object.Builtin{"background": {Fn: s.background, HelpText: backgroundHelp}},
		map[string]object.Object{"http": http.GetDict(), "kv": kv.GetDict()},
		"Background tasks, and the parts http (responses) and kv (shared state)."))
}
