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
// Ctrl-C or SIGTERM shuts it down cleanly; a second signal ends it at once.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/scriptweb"
)

//go:embed handlers.py
var script string

const (
	workerPeriod  = 1.0 // seconds
	headerTimeout = 10 * time.Second
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	store := flag.String("store", "", "`path` of the store's file; in memory if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
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
	if err := extlibs.InitKVStore(store, extlibs.Logger(slog.Default())); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, extlibs.CloseKVStore()) }()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	handlers, err := scriptweb.New(extlibs.DefaultRegistry(), script, scriptweb.Options{})
	if err == nil {
		_, err = handlers.Call(context.Background(), "start", period) // the task ends when the store is closed
	}
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	listening(listener.Addr())

	web := &http.Server{Handler: routes(handlers), ReadHeaderTimeout: headerTimeout}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return web.Shutdown(context.WithoutCancel(ctx)) // waits for the requests under way
	}
}

func routes(handlers *scriptweb.Handlers) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /users", handlers.Function("add_user"))
	mux.Handle("GET /users", handlers.Function("list_users"))
	mux.Handle("POST /visits", handlers.Function("count_visit"))
	mux.Handle("POST /reports", handlers.Function("start_report"))
	mux.Handle("GET /reports", handlers.Function("get_report"))
	return mux
}
