// Package scriptweb serves HTTP requests with functions of scripts, for the
// example hosts.
package scriptweb

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/conversion"
	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
	"github.com/scriptling-kv/extlibs"
)

// MaxBodyBytes bounds the body of a request.
const MaxBodyBytes = 1 << 20

// Handlers keeps interpreters that have loaded a script. One interpreter runs
// one request at a time, so there are as many as there are requests at once.
// It is safe for concurrent use.
type Handlers struct {
	registry  *extlibs.Registry
	script    string
	libraries []*object.Library
	idle      sync.Pool
}

// New returns the handlers of a script, which has the stores of a registry, but
// may open no files, and may import libraries.
func New(registry *extlibs.Registry, script string, libraries ...*object.Library) *Handlers {
	return &Handlers{registry: registry, script: script, libraries: libraries}
}

// Interpreter returns an interpreter that has loaded the script, and that nobody
// else uses.
func (h *Handlers) Interpreter() (*scriptling.Scriptling, error) {
	if p, ok := h.idle.Get().(*scriptling.Scriptling); ok {
		return p, nil
	}
	p := scriptling.New()
	stdlib.RegisterAll(p)
	h.registry.RegisterRuntimeLibraryAll(p, []string{})
	for _, library := range h.libraries {
		p.RegisterLibrary(library)
	}
	_, err := p.Eval(h.script)
	return p, err
}

// Function serves requests with the function of that name. It gets a Request and
// returns what runtime.http.json and its neighbours make.
func (h *Handlers) Function(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBodyBytes))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		p, err := h.Interpreter()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer h.idle.Put(p)
		request := extlibs.CreateRequestInstance(r.Method, r.URL.Path, string(body), firsts(r.Header), firsts(r.URL.Query()))
		response, err := p.CallFunctionWithContext(r.Context(), name, request)
		if err == nil {
			err = write(w, response)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

func firsts(values map[string][]string) map[string]string {
	m := make(map[string]string, len(values))
	for name, list := range values {
		if len(list) > 0 {
			m[name] = list[0]
		}
	}
	return m
}

// write sends what a handler returned: a dict of status, headers and body.
func write(w http.ResponseWriter, response object.Object) error {
	dict, ok := conversion.ToGo(response).(map[string]any)
	if !ok {
		return fmt.Errorf("the handler returned no response but a %s", response.Type())
	}
	status, _ := dict["status"].(int64)
	headers, _ := dict["headers"].(map[string]any)
	body, isText := dict["body"].(string)
	if !isText || headers["Content-Type"] == "application/json" {
		b, err := json.Marshal(dict["body"])
		if err != nil {
			return err
		}
		body = string(b)
	}
	for name, value := range headers {
		w.Header().Set(name, fmt.Sprint(value))
	}
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(int(status))
	_, err := io.WriteString(w, body)
	return err
}
