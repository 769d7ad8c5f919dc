package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/kvadmin"
	"github.com/spf13/cobra"
)

// Limits of the server of web.
const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	endTime    = time.Second // for running requests when the command is interrupted
)

func webCommand() *cobra.Command {
	var write bool
	address := "127.0.0.1:0"
	cmd := &cobra.Command{
		Use:   "web STORE",
		Short: "Show a store in a browser",
		Long: `Serves web pages that show a store until the command is interrupted, to this machine only: keys as a tree, values, the
biggest keys, and changes. It prints a URL with a one-time token: only the first browser that opens it can see the
pages. Without --write nothing can be changed.

STORE is a file that no program has open, a server, or with --live a copy of a file that a program has open.
A running host serves such pages itself, with kvadmin: open its URL in the browser.`,
		Example: `  scriptling-kv web app.db
  scriptling-kv web app.db --write
  scriptling-kv web redis://localhost:6379/0/app
  scriptling-kv web app.db --live`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			host, _, err := net.SplitHostPort(address)
			if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
				return usageError("--listen is %.60q; use a port of this machine, such as 127.0.0.1:8080", address)
			}
			if write && wantsLive(cmd) {
				return usageError("use --write or --live, not both: a copy is read-only")
			}
			a := reads
			if write {
				a = changes
			}
			return withRegistry(cmd, args[0], a, func(r *extlibs.Registry, h *extlibs.Handle) error {
				shown := h.Name()
				if !isURL(args[0]) { // then it can be the URL of a reader, or a copy
					var err error
					if shown, err = filepath.Abs(args[0]); err != nil {
						return err
					}
				}
				return serve(cmd, r, h.Name(), shown, address, write)
			})
		},
	}
	cmd.Flags().BoolVar(&write, "write", false, "permit changes")
	cmd.Flags().StringVar(&address, "listen", address, "the address to listen on; port 0 is any free port")
	addLiveFlag(cmd)
	return cmd
}

// serve shows a store of a registry, by another name, until the command is interrupted.
func serve(cmd *cobra.Command, r *extlibs.Registry, store, shown, address string, write bool) error {
	l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", address)
	if err != nil {
		return err
	}
	d := newDoor(l.Addr().String())
	d.pages = kvadmin.Handler(r, kvadmin.Options{
		Allow: func(_ *http.Request, a kvadmin.Action) error { // the door has authenticated the caller
			if a.Kind != kvadmin.Stores && a.Store != store {
				return errors.New("these pages show one store only")
			}
			return nil
		},
		Name: func(name string) string {
			if name == store {
				return shown
			}
			return name
		},
		Write:  write,
		Values: true,
		Backup: true,
		Logger: slog.New(slog.DiscardHandler),
	})
	s := &http.Server{
		Handler: d, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime,
		ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		BaseContext: func(net.Listener) context.Context { return cmd.Context() },
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", d.url()); err != nil {
		s.Close()
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "open this URL in a browser on this machine; Ctrl-C ends the pages")
	select {
	case err := <-ended:
		return err
	case <-cmd.Context().Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), endTime)
	defer cancel()
	if err := s.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		s.Close()
	}
	return cmd.Context().Err()
}

// door admits the first browser that presents the token, and then only that browser.
type door struct {
	pages  http.Handler
	host   string
	token  string
	used   atomic.Bool
	cookie string // its value
}

// cookieName is the prefix of the name of the browser's cookie. The port follows, because
// cookies do not distinguish ports.
const cookieName = "scriptling-kv-"

const pagesPath = "/kv/"

func newDoor(host string) *door {
	return &door{host: host, token: rand.Text(), cookie: rand.Text()}
}

func (d *door) url() string { return "http://" + d.host + pagesPath + "?token=" + d.token }

func (d *door) cookieName() string {
	_, port, _ := net.SplitHostPort(d.host)
	return cookieName + port
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if r.Host != d.host && !strings.EqualFold(r.Host, d.localhost()) { // a page of another name that leads here
		http.Error(w, "unknown host name; use the URL that scriptling-kv web printed", http.StatusMisdirectedRequest)
		return
	}
	if c, err := r.Cookie(d.cookieName()); err == nil && same(c.Value, d.cookie) {
		if r.URL.Query().Has("token") {
			http.Redirect(w, r, pagesPath, http.StatusSeeOther)
			return
		}
		http.StripPrefix(strings.TrimSuffix(pagesPath, "/"), d.pages).ServeHTTP(w, r)
		return
	}
	if r.Method != http.MethodGet || !same(r.URL.Query().Get("token"), d.token) || d.used.Swap(true) {
		http.Error(w, "open the URL that scriptling-kv web printed; it works once, in one browser", http.StatusForbidden)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: d.cookieName(), Value: d.cookie, Path: pagesPath, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, pagesPath, http.StatusSeeOther)
}

func (d *door) localhost() string {
	_, port, _ := net.SplitHostPort(d.host)
	return "localhost:" + port
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
