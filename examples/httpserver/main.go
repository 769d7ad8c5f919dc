// Command httpserver is a net/http host whose handlers are script functions.
// The handlers, of which several run at once, a background worker and the tasks
// that handlers start share kv.default.
//
//	go run ./examples/httpserver [-addr 127.0.0.1:8080] [-store users.db]
//	curl -d '{"name": "Ann"}' http://127.0.0.1:8080/users
//	curl http://127.0.0.1:8080/users
//	curl -X POST http://127.0.0.1:8080/reports   # a task that takes a while
//	curl http://127.0.0.1:8080/reports           # what it has found so far
//
// Ctrl-C or SIGTERM ends it in order.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/conversion"
	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
	"github.com/scriptling-kv/extlibs"
)

//go:embed handlers.py
var handlers string

const (
	workerPeriod = 1.0 // seconds
	maxBodyBytes = 1 << 20

	headerTimeout = 10 * time.Second
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	store := flag.String("store", "", "`path` of the store's file; in memory if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listening := func(addr net.Addr) { log.Printf("listening on http://%s", addr) }
	if err := serve(ctx, *addr, *store, workerPeriod, listening); err != nil {
		log.Fatal(err)
	}
	log.Print("ended, all is stored")
}

// serve is the life of the server. It listens once the store is open, and ends
// when ctx does: after the requests that are under way and the worker. The
// store is closed last.
func serve(ctx context.Context, addr, store string, period float64, listening func(net.Addr)) (err error) {
	if err := extlibs.InitKVStore(store); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, extlibs.CloseKVStore()) }()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s := &server{}
	stopWorker, err := s.startWorker(ctx, period)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, stopWorker()) }()
	listening(listener.Addr())

	web := &http.Server{Handler: s.routes(), ReadHeaderTimeout: headerTimeout}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return web.Shutdown(context.WithoutCancel(ctx)) // waits for the requests under way
	}
}

// server keeps interpreters that have loaded the handlers. One interpreter runs
// one request at a time, so there are as many as there are requests at once.
type server struct {
	idle sync.Pool
}

func (s *server) interpreter() (*scriptling.Scriptling, error) {
	if p, ok := s.idle.Get().(*scriptling.Scriptling); ok {
		return p, nil
	}
	p := scriptling.New()
	stdlib.RegisterAll(p)
	extlibs.RegisterRuntimeLibraryAll(p, []string{}) // no files but the default store
	_, err := p.Eval(handlers)
	return p, err
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /users", s.handler("add_user"))
	mux.Handle("GET /users", s.handler("list_users"))
	mux.Handle("POST /reports", s.handler("start_report"))
	mux.Handle("GET /reports", s.handler("get_report"))
	return mux
}

// handler serves requests with a script function.
func (s *server) handler(function string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		p, err := s.interpreter()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer s.idle.Put(p)
		request := extlibs.CreateRequestInstance(r.Method, r.URL.Path, string(body), firsts(r.Header), firsts(r.URL.Query()))
		response, err := p.CallFunctionWithContext(r.Context(), function, request)
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

// startWorker starts the background worker. The function it returns ends it.
func (s *server) startWorker(ctx context.Context, period float64) (stop func() error, err error) {
	p, err := s.interpreter()
	if err != nil {
		return nil, err
	}
	promise, err := p.CallFunction("start", period)
	if err != nil {
		return nil, err
	}
	return func() error {
		if err := extlibs.DefaultRegistry().Default().Set(context.WithoutCancel(ctx), "worker:stop", true, 0); err != nil {
			return err
		}
		if err := p.SetObjectVar("worker_task", promise); err != nil {
			return err
		}
		_, err := p.Eval("worker_task.wait()")
		return err
	}, nil
}
