// Package scriptweb answers HTTP requests with functions of a script:
//
//	handlers, err := scriptweb.New(registry, script, scriptweb.Options{})
//	mux.Handle("GET /jobs", handlers.Function("list_jobs"))
//
// The function gets a request with method, path, body, headers and query, and returns a
// response, which runtime.http.json and similar functions make. docs/host-from-nothing.md
// builds a host with it.
package scriptweb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/conversion"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/scripthost"
)

// MaxBodyBytes is the maximum length of the body of a request.
const MaxBodyBytes = 1 << 20

// Limits of the headers that a script may set.
const (
	maxHeaders     = 64
	maxHeaderBytes = 8 << 10 // name and value of one
)

// Options of handlers. The zero value is valid.
type Options struct {
	// Libraries can be imported by the script, besides the standard libraries and
	// scriptling.runtime.
	Libraries []*object.Library
	// Allow lists the folders and URLs in which the script can open stores. Without it,
	// the script has kv.default and stores in memory.
	Allow []string
	// Timeout limits the time of one request; 0 is no limit. Background tasks that the
	// request starts end at the same moment.
	Timeout time.Duration
	// Logger receives the errors of functions; nil is slog.Default(). Clients receive
	// status 500 without the error's text, which can contain data.
	Logger *slog.Logger
}

// Handlers runs the functions of one script. An interpreter runs one request at a time,
// so Handlers keeps as many as there are concurrent requests. It is safe for concurrent use.
type Handlers struct {
	registry *extlibs.Registry
	script   string
	options  Options
	idle     sync.Pool
}

// New returns handlers for a script that uses the stores of a registry. It runs the script
// once, and fails if that fails. Each further interpreter also runs it, so at its top level
// the script should only define things.
func New(registry *extlibs.Registry, script string, o Options) (*Handlers, error) {
	if o.Allow == nil {
		o.Allow = []string{} // nil would allow everything
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	h := &Handlers{registry: registry, script: script, options: o}
	p, err := h.interpreter()
	if err != nil {
		return nil, err
	}
	h.idle.Put(p)
	return h, nil
}

// interpreter returns an interpreter that has run the script and that no other caller uses.
func (h *Handlers) interpreter() (*scriptling.Scriptling, error) {
	if p, ok := h.idle.Get().(*scriptling.Scriptling); ok {
		return p, nil
	}
	p, err := scripthost.New()
	if err != nil {
		return nil, err
	}
	h.registry.RegisterRuntimeLibraryAll(p, h.options.Allow)
	for _, library := range h.options.Libraries {
		p.RegisterLibrary(library)
	}
	_, err = scripthost.Eval(context.Background(), p, h.script)
	return p, err
}

// Call calls a function of the script, for example one that starts background tasks.
// Options.Timeout does not apply.
func (h *Handlers) Call(ctx context.Context, name string, args ...any) (object.Object, error) {
	p, err := h.interpreter()
	if err != nil {
		return nil, err
	}
	result, err := scripthost.Call(ctx, p, name, args...)
	if !errors.As(err, new(*scripthost.Panic)) {
		h.idle.Put(p)
	}
	return result, err
}

// Function returns a handler that calls the function of that name.
func (h *Handlers) Function(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBodyBytes))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		ctx := r.Context()
		if h.options.Timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, h.options.Timeout)
			defer cancel()
		}
		request := extlibs.CreateRequestInstance(r.Method, r.URL.Path, string(body), firsts(r.Header), firsts(r.URL.Query()))
		response, err := h.Call(ctx, name, request)
		if err == nil {
			err = write(w, response)
		}
		if err != nil {
			h.options.Logger.Error("a handler failed", "function", name, "error", err)
			http.Error(w, "the handler failed; the server's log says why", http.StatusInternalServerError)
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
		return fmt.Errorf("the handler returned a %s instead of a response", response.Type())
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
// not of three digits, and continues to wait for one after a status below 200.
func statusOf(v any) (int, error) {
	switch status := v.(type) {
	case nil:
		return http.StatusOK, nil
	case int64:
		if status >= 200 && status <= 599 {
			return int(status), nil
		}
	}
	return 0, fmt.Errorf("the handler's status must be from 200 to 599")
}

func headersOf(v any) (map[string]string, error) {
	dict, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, fmt.Errorf("the handler's headers must be a dict")
	}
	if len(dict) > maxHeaders {
		return nil, fmt.Errorf("the handler set %d headers; at most %d are sent", len(dict), maxHeaders)
	}
	headers := make(map[string]string, len(dict))
	for name, v := range dict {
		value, ok := v.(string)
		switch {
		case !ok:
			return nil, fmt.Errorf("a header's value must be a str")
		case len(name)+len(value) > maxHeaderBytes:
			return nil, fmt.Errorf("a header has %d bytes; at most %d are sent", len(name)+len(value), maxHeaderBytes)
		case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) }):
			return nil, fmt.Errorf("a header's name contains an invalid character")
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
