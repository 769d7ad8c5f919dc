package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/kvadmin"
	"github.com/scriptling-kv/extlibs/scriptweb"
)

//go:embed app.py
var script string

const (
	workers      = 2
	leaseSeconds = 60 // after which another worker takes the job of one that died

	headerTimeout   = 10 * time.Second
	shutdownTimeout = 20 * time.Second
)

type config struct {
	store, backups string
	password       string // for the pages that show the stores; "" refuses everybody
	workers        int
	lease          float64 // seconds
	logger         *slog.Logger
}

// app is the service. Its registry is its own, so that a process may hold
// several, as its tests do.
type app struct {
	config
	registry *extlibs.Registry
	web      *http.Server
}

// library returns what the scripts get from this host besides the store.
func (c *config) library() *object.Library {
	return object.NewLibrary("app", map[string]*object.Builtin{
		"token": {
			HelpText: "token() -> str\nReturns a random text that cannot be guessed.",
			Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object {
				return object.NewString(rand.Text())
			},
		},
	}, map[string]object.Object{"sessions": object.NewString(c.sessions())}, "Helpers of the host.")
}

// sessions is the path of the store of the sessions. Its folder is the only one in which
// scripts can open files.
func (c *config) sessions() string {
	return filepath.Join(filepath.Dir(c.store), "sessions", "sessions.db")
}

// newApp opens the store and starts the workers.
func newApp(c config) (*app, error) {
	a := &app{config: c, registry: extlibs.NewRegistry(
		extlibs.MaxFileBytes(1<<30),
		extlibs.MaxTasks(100),
		extlibs.StoreOptions(c.sessions(), extlibs.Durability(extlibs.Interval(time.Second))), // a power cut costs a login
		extlibs.StoreOptions(":memory:*", extlibs.MaxMemoryBytes(16<<20)),                     // the counters of calls
		extlibs.StoreOptions(":cache:*", extlibs.MaxCacheBytes(8<<20)),                        // listings of jobs
		extlibs.Logger(c.logger),
	)}
	for _, dir := range []string{c.backups, filepath.Dir(c.sessions())} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if err := a.registry.Init(c.store); err != nil {
		return nil, err
	}
	handlers, err := scriptweb.New(a.registry, script, scriptweb.Options{
		Libraries: []*object.Library{c.library()},
		Allow:     []string{filepath.Dir(c.sessions())},
		Logger:    c.logger,
	})
	if err == nil {
		_, err = handlers.Call(context.Background(), "start", c.workers, c.lease)
	}
	if err != nil {
		return nil, errors.Join(err, a.registry.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("POST /login", handlers.Function("login"))
	mux.Handle("POST /logout", handlers.Function("logout"))
	mux.Handle("POST /jobs", handlers.Function("add_job"))
	mux.Handle("GET /jobs", handlers.Function("list_jobs"))
	mux.HandleFunc("POST /admin/backup", a.backup)
	mux.HandleFunc("GET /debug/vars", a.metrics)
	mux.Handle("/debug/kv/", kvadmin.Handler(a.registry, kvadmin.Options{
		Allow: kvadmin.Password(a.password), Write: true, Values: true, Hide: hide, Logger: a.logger,
	}))
	a.web = &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
	return a, nil
}

// hide keeps the tokens of sessions from the pages: with one, an operator could act as its user.
func hide(_, key string) bool { return strings.HasPrefix(key, "session:") }

// serve answers until ctx ends. The requests under way are finished, then the
// registry ends the workers and closes the store.
func (a *app) serve(ctx context.Context, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- a.web.Serve(listener) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		err = a.web.Shutdown(ctx)
	}
	return errors.Join(err, a.registry.Close())
}

// backup makes a copy of the store while it is in use.
func (a *app) backup(w http.ResponseWriter, r *http.Request) {
	path := filepath.Join(a.backups, "app-"+time.Now().UTC().Format("20060102-150405.000000000")+".db")
	if err := a.registry.Default().BackupFile(r.Context(), path); err != nil {
		a.logger.Error("backup failed", "error", err)
		http.Error(w, "the backup failed, the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"backup": filepath.Base(path)})
}

// metrics is what expvar's handler would show, for this app's registry only.
func (a *app) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "{\"kv\": %s}\n", a.registry.Var())
}
