// Command app is a small but complete host: an HTTP service whose handlers are
// script functions, with sessions, a rate limiter, a job queue with workers,
// metrics, backups and an orderly end. Its jobs are in a durable store, its sessions in one
// in the fast mode, the counters of its rate limiter in memory, and listings of jobs in a
// cache, all by StoreOptions.
// Its workers wait without polling: with 50,000 jobs done and none to do, the service takes
// about a thousandth of a processor.
//
//	go run ./examples/app [-addr 127.0.0.1:8080] [-store app.db] [-backups backups]
//	T=$(curl -sd '{"user": "ann"}' http://127.0.0.1:8080/login | cut -d'"' -f4)
//	curl -H "Authorization: Bearer $T" -d '{"text": "hello"}' http://127.0.0.1:8080/jobs
//	curl -H "Authorization: Bearer $T" http://127.0.0.1:8080/jobs
//	KV_PASSWORD=... go run ./examples/app                 # then http://127.0.0.1:8080/debug/kv/ shows the stores
//	curl http://127.0.0.1:8080/debug/vars                 # the store's counters, as kv
//	curl -X POST http://127.0.0.1:8080/admin/backup
//
// /admin and /debug are for the host's operators: a real service would not show
// them to everybody.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	var c config
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.StringVar(&c.store, "store", "app.db", "`path` of the store's file")
	flag.StringVar(&c.backups, "backups", "backups", "`folder` for backups")
	flag.Parse()
	c.password = os.Getenv("KV_PASSWORD")
	c.lease, c.workers = leaseSeconds, workers
	c.logger = slog.Default()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	a, err := newApp(c)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(errors.Join(err, a.registry.Close()))
	}
	log.Printf("listening on http://%s", listener.Addr())
	if err := a.serve(ctx, listener); err != nil {
		log.Fatal(err)
	}
	log.Print("ended, all is stored")
}
