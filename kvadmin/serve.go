package kvadmin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// version is the version of the JSON. It changes if a field changes its meaning or
// disappears, and not if one is added.
const version = 1

// Deadlines of requests.
const (
	answerTime = 15 * time.Second // of a request that reads or changes some keys
	scanTime   = 60 * time.Second // of one that reads all keys
	searchTime = 2 * time.Second  // after which a page of keys has the matches found so far
	scanWait   = 3 * time.Second  // for another request's scan
	idleTime   = 30 * time.Second // of a client that does not read its answer, or does not send its request
)

type handler struct {
	registry *extlibs.Registry
	opts     Options
	scans    chan struct{} // holds the running scan
	origin   *http.CrossOriginProtection
	history  *history
	watches  watches
}

// request is a request on its way to an endpoint.
type request struct {
	*handler
	w        http.ResponseWriter
	r        *http.Request
	ctx      context.Context
	wantJSON bool
	base     string // relative URL of the handler's root

	store *extlibs.Handle // nil for the list of stores
	id    string          // of the store, for paths
	shown string          // of the store, as Options.Name has it
	name  string          // of the store, as Action has it
}

// endpoint is what the last part of a path names.
type endpoint struct {
	kind  Kind
	post  bool
	time  time.Duration // 0: no deadline, but one for each write
	serve func(*request) error
}

// endpoints are the paths below a store; "" is the store's own.
var endpoints = map[string]endpoint{
	"":                {Stat, false, answerTime, (*request).stat},
	"keys":            {Keys, false, answerTime, (*request).keys},
	"count":           {Keys, false, scanTime, (*request).count},
	"top":             {Keys, false, scanTime, (*request).top},
	"key":             {Get, false, answerTime, (*request).get},
	"export":          {Export, false, 0, (*request).export},
	"watch":           {Watch, false, 0, (*request).watch},
	"backup":          {Backup, false, 0, (*request).backup},
	"set":             {Set, true, answerTime, (*request).set},
	"expire":          {Expire, true, answerTime, (*request).expire},
	"delete":          {Delete, true, answerTime, (*request).delete},
	"delete-matching": {DelMany, true, scanTime, (*request).deleteMatching},
}

// ServeHTTP answers a request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Vary", "Accept")
	shallow := *r
	q := &request{handler: h, w: w, r: &shallow, ctx: r.Context(), wantJSON: wantsJSON(r)}
	defer q.deadline(idleTime)()
	if err := q.route(); err != nil {
		q.refuse(err)
	}
}

// wantsJSON reports whether the answer is JSON, as it is unless the request names HTML
// before it.
func wantsJSON(r *http.Request) bool {
	if r.URL.Query().Get("format") == "json" {
		return true
	}
	for _, part := range strings.Split(r.Header.Get("Accept"), ",") {
		switch kind, _, _ := strings.Cut(strings.TrimSpace(part), ";"); kind {
		case "application/json":
			return true
		case "text/html":
			return false
		}
	}
	return true
}

// deadline limits how long the request's next writes can take. The result removes the limit:
// the connection can serve other requests, and the server sets a limit for each of them
// only if it has one.
func (q *request) deadline(d time.Duration) func() {
	c := http.NewResponseController(q.w)
	if c.SetWriteDeadline(time.Now().Add(d)) != nil {
		return func() {} // not a connection
	}
	server, _ := q.r.Context().Value(http.ServerContextKey).(*http.Server)
	return func() {
		if server == nil || server.WriteTimeout == 0 {
			c.SetWriteDeadline(time.Time{})
		}
	}
}

// path returns the parts of the path below the prefix at which the handler is mounted.
func (q *request) path() ([]string, error) {
	path := q.r.URL.EscapedPath()
	if _, pattern, ok := strings.Cut(q.r.Pattern, "/"); ok && strings.HasSuffix(pattern, "/") && strings.HasPrefix(path, "/"+pattern) {
		path = path[len(pattern):] // without http.StripPrefix
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	q.base = "./" + strings.Repeat("../", len(parts)-1)
	for i := range parts {
		part, err := url.PathUnescape(parts[i])
		if err != nil {
			return nil, fail(http.StatusBadRequest, "invalid", "the path is malformed; write special characters as %%XX")
		}
		parts[i] = part
	}
	return parts, nil
}

// route finds the endpoint of the request and calls it, if the request may.
func (q *request) route() error {
	if q.opts.Allow == nil {
		return errNoAllow
	}
	parts, err := q.path()
	if err != nil {
		return err
	}
	if len(parts) == 2 && parts[0] == "-" {
		return q.asset(parts[1])
	}
	q.history.touch()
	switch {
	case len(parts) == 1 && parts[0] == "":
		if err := q.begin(endpoint{kind: Stores, time: answerTime}); err != nil {
			return err
		}
		return q.list()
	case len(parts) == 2 && parts[1] != "" || len(parts) == 1:
		action := ""
		if len(parts) == 2 {
			action = parts[1]
		}
		e, known := endpoints[action]
		if !known {
			e = noPath
		}
		return q.inStore(parts[0], e)
	}
	return q.inStore(parts[0], noPath)
}

// noPath is the endpoint of all other paths.
var noPath = endpoint{kind: Stat, serve: func(*request) error { return errNoPath }}

// inStore calls an endpoint of the store that id names. To a caller that Allow refuses, a
// store that does not exist looks as one that does.
func (q *request) inStore(id string, e endpoint) error {
	store, findErr := q.find(id)
	q.store, q.id, q.shown, q.name = store.handle, store.id, store.shown, id
	if q.store != nil {
		q.name = q.store.Name()
	}
	if err := q.begin(e); err != nil {
		return err
	}
	if findErr != nil {
		return findErr
	}
	ctx, cancel := q.ctx, context.CancelFunc(func() {})
	if e.time > 0 {
		ctx, cancel = context.WithTimeout(q.ctx, e.time)
		defer q.deadline(e.time + idleTime)()
	}
	defer cancel()
	q.ctx = ctx
	return e.serve(q)
}

// begin checks the method, the origin and the options, and asks Allow.
func (q *request) begin(e endpoint) error {
	if err := q.allow(Action{Kind: e.kind, Store: q.name, Key: q.keyOfAction(e)}); err != nil {
		return err
	}
	switch {
	case e.post && q.r.Method != http.MethodPost:
		q.w.Header().Set("Allow", "POST")
		return fail(http.StatusMethodNotAllowed, "method", "send a POST request")
	case !e.post && q.r.Method != http.MethodGet && q.r.Method != http.MethodHead:
		q.w.Header().Set("Allow", "GET, HEAD")
		return fail(http.StatusMethodNotAllowed, "method", "send a GET request")
	case e.kind.Writes() && !q.opts.Write:
		return errReadOnly
	}
	if err := q.origin.Check(q.r); err != nil {
		return fail(http.StatusForbidden, "cross_origin", "the request comes from a page of another site; use the pages of this host")
	}
	return nil
}

// keyOfAction returns the key of a GET request. A POST request has its key in the body,
// and asks Allow when it has read it.
func (q *request) keyOfAction(e endpoint) string {
	if e.kind == Get {
		return q.r.URL.Query().Get("key")
	}
	return ""
}

// may reports whether the caller may do something in the request's store.
func (q *request) may(kind Kind, key string) bool {
	return q.opts.Allow != nil && q.opts.Allow(q.r, Action{Kind: kind, Store: q.name, Key: key}) == nil
}

func (q *request) allow(a Action) error {
	err := q.opts.Allow(q.r, a)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUnauthenticated):
		q.w.Header().Set("WWW-Authenticate", `Basic realm="kvadmin", charset="UTF-8"`)
		return fail(http.StatusUnauthorized, "unauthenticated", "%v", err)
	}
	return fail(http.StatusForbidden, "refused", "%v", err)
}

// answer writes v as JSON.
func (q *request) answer(v any) error { return q.answerStatus(http.StatusOK, v) }

func (q *request) answerStatus(status int, v any) error {
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(v); err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "application/json")
	q.w.WriteHeader(status)
	q.w.Write(text.Bytes()) // fails if the client has gone
	return nil
}

// refuse answers with an error.
func (q *request) refuse(err error) {
	f := failureOf(err)
	if f.status == http.StatusServiceUnavailable {
		q.w.Header().Set("Retry-After", "2")
	}
	if !q.wantJSON {
		q.refusePage(f)
		return
	}
	q.answerStatus(f.status, errorBody(f))
}

func errorBody(f *failure) any {
	return map[string]any{"version": version, "error": map[string]string{"code": f.code, "message": f.text}}
}

// beginScan waits until no other scan runs. The result ends the scan.
func (q *request) beginScan() (end func(), err error) {
	end = func() { <-q.scans }
	select {
	case q.scans <- struct{}{}:
		return end, nil
	default:
	}
	wait := time.NewTimer(scanWait)
	defer wait.Stop()
	select {
	case q.scans <- struct{}{}:
		return end, nil
	case <-wait.C:
		return nil, errBusy
	case <-q.ctx.Done():
		return nil, q.ctx.Err()
	}
}
