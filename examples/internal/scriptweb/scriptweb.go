// Package scriptweb serves HTTP requests with functions of scripts, for the
// example hosts.
package scriptweb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/conversion"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/examples/internal/scripthost"
)

// MaxBodyBytes is the maximum length of the body of a request.
const MaxBodyBytes = 1 << 20

// Limits of the headers that a script may set.
const (
	maxHeaders     = 64
	maxHeaderBytes = 8 << 10 // name and value of one
)

// Handlers keeps interpreters that have loaded a script. One interpreter runs
// one request at a time, so there are as many as there are requests at once.
// It is safe for concurrent use.
type Handlers struct {
	registry  *extlibs.Registry
	script    string
	libraries []*object.Library
	allowed   []string
	idle      sync.Pool
}

// New returns the handlers of a script, which has the stores of a registry, but
// may open no files unless Allow says so, and may import libraries.
func New(registry *extlibs.Registry, script string, libraries ...*object.Library) *Handlers {
	return &Handlers{registry: registry, script: script, libraries: libraries, allowed: []string{}}
}

// Allow lets the script open files in folders. It is called before the handlers are used.
func (h *Handlers) Allow(folders ...string) { h.allowed = append(h.allowed, folders...) }

// Interpreter returns an interpreter that has loaded the script, and that nobody
// else uses.
func (h *Handlers) Interpreter() (*scriptling.Scriptling, error) {
	if p, ok := h.idle.Get().(*scriptling.Scriptling); ok {
		return p, nil
	}
	p, err := scripthost.New()
	if err != nil {
		return nil, err
	}
	h.registry.RegisterRuntimeLibraryAll(p, h.allowed)
	for _, library := range h.libraries {
		p.RegisterLibrary(library)
	}
	_, err = scripthost.Eval(context.Background(), p, h.script)
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
		request := extlibs.CreateRequestInstance(r.Method, r.URL.Path, string(body), firsts(r.Header), firsts(r.URL.Query()))
		response, err := scripthost.Call(r.Context(), p, name, request)
		if !errors.As(err, new(*scripthost.Panic)) {
			defer h.idle.Put(p)
		}
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

// write sends what a handler returned: a dict of status, headers and body. What is no
// such dict, or would not be a valid response, is an error, and nothing is sent.
func write(w http.ResponseWriter, response object.Object) error {
	dict, ok := conversion.ToGo(response).(map[string]any)
	if !ok {
		return fmt.Errorf("the handler returned no response but a %s", response.Type())
	}
	status, err := statusOf(dict["status"])
	if err != nil {
		return err
	}
	headers, err := headersOf(dict["headers"])
	if err != nil {
		return err
	}
	body, isText := dict["body"].(string)
	if !isText || headers["Content-Type"] == "application/json" {
		b, err := json.Marshal(dict["body"])
		if err != nil {
			return err
		}
		body = string(b)
	}
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(status)
	_, err = io.WriteString(w, body)
	return err
}

// statusOf returns the status of a final response: net/http panics at codes that are
// not of three digits, and goes on waiting for one after those below 200.
func statusOf(v any) (int, error) {
	switch status := v.(type) {
	case nil:
		return http.StatusOK, nil
	case int64:
		if status >= 200 && status <= 599 {
			return int(status), nil
		}
	}
	return 0, fmt.Errorf("the handler's status is not one of 200 to 599")
}

func headersOf(v any) (map[string]string, error) {
	dict, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, fmt.Errorf("the handler's headers are no dict")
	}
	if len(dict) > maxHeaders {
		return nil, fmt.Errorf("the handler set %d headers; at most %d are sent", len(dict), maxHeaders)
	}
	headers := make(map[string]string, len(dict))
	for name, v := range dict {
		value, ok := v.(string)
		switch {
		case !ok:
			return nil, fmt.Errorf("a header's value is no str")
		case len(name)+len(value) > maxHeaderBytes:
			return nil, fmt.Errorf("a header has %d bytes; at most %d are sent", len(name)+len(value), maxHeaderBytes)
		case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) }):
			return nil, fmt.Errorf("a header's name has characters that names cannot have")
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return nil, fmt.Errorf("the value of header %s has control characters", name)
		}
		headers[http.CanonicalHeaderKey(name)] = value
	}
	// The server writes these, by the body that it sends.
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Connection", "Trailer"} {
		delete(headers, name)
	}
	return headers, nil
}

// isToken reports whether r may be in the name of a header.
func isToken(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
