package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/kvadmin"
)

// host is a running program that mounts kvadmin.
type host struct {
	*extlibs.Handle // of its default store, in memory
	registry        *extlibs.Registry
	url             string // of that store
	handler         http.Handler
}

const hostToken = "open sesame"

func newHost(t *testing.T, o kvadmin.Options) *host {
	t.Helper()
	r := extlibs.NewRegistry()
	t.Cleanup(func() { r.Close() })
	o.Allow = kvadmin.Password(hostToken)
	o.Logger = slog.New(slog.DiscardHandler)
	mux := http.NewServeMux()
	mux.Handle("/debug/kv/", kvadmin.Handler(r, o))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Setenv("SCRIPTLING_KV_TOKEN", hostToken)
	return &host{r.Default(), r, server.URL + "/debug/kv/default", mux}
}

func all() kvadmin.Options { return kvadmin.Options{Write: true, Values: true, Backup: true} }

func TestARunningHostIsReadAndChangedAsAFile(t *testing.T) {
	c := newCLI(t)
	h := newHost(t, all())
	c.ok("set", h.url, "user:1", `{"name": "Ann", "tags": ("a", 1.0)}`)
	c.ok("set", h.url, "user:2", `bytes("raw")`, "--ttl", "1h")
	c.ok("set", h.url, `"new\nline"`, `"x"`)
	c.ok("set", h.url, "big", `"`+strings.Repeat("x", 1000)+`"`)
	for _, args := range [][]string{
		{"keys"}, {"keys", "--prefix", "user:"}, {"keys", "--pattern", "*e"}, {"keys", "--pattern", "*:*", "--limit", "1"}, {"keys", "--reverse"},
		{"keys", "--after", "big", "--before", "user:2", "--reverse"}, {"keys", "-0"}, {"get", "user:1"}, {"get", "user:2", "--json"},
		{"get", `"new\nline"`}, {"count"}, {"count", "--prefix", "user:"}, {"count", "--pattern", "*1"}, {"ttl", "user:1"},
		{"export", "--prefix", "user:1"}, {"export", "--pattern", "{big,new*}"}, {"export", "--limit", "2"}, {"export", "--after", "user:1x", "--reverse", "--pattern", "u*1"},
		{"top"}, {"top", "-n", "1", "--prefix", "user:"},
	} {
		file := filepath.Join(c.dir, "same.db")
		if _, err := os.Stat(file); err != nil {
			c.ok("move", h.url, file)
		}
		onHost := append([]string{args[0], h.url}, args[1:]...)
		onFile := append([]string{args[0], file}, args[1:]...)
		if got, want := c.ok(onHost...), c.ok(onFile...); got != want {
			t.Errorf("%q printed %q of the host and %q of a file", args, got, want)
		}
	}
	if got := c.ok("ttl", h.url, "user:2"); !strings.HasPrefix(got, "59m") && got != "1h0m0s\n" {
		t.Errorf("ttl printed %q", got)
	}
	c.ok("expire", h.url, "user:2", "0")
	c.prints("none\n", "ttl", h.url, "user:2")
	c.fails(exitNoKey, `no key "nosuch"`, "expire", h.url, "nosuch", "1h")
	c.fails(exitNoKey, `no key "nosuch"`, "get", h.url, "nosuch")
	c.fails(exitNoKey, `no key "nosuch"`, "ttl", h.url, "nosuch")
	c.prints("1\n", "del", h.url, "user:2", "nosuch")
	c.prints("3\n", "count", h.url)
	if got := c.ok("stat", h.url); !strings.Contains(got, h.url+"\nkeys   3\n") {
		t.Errorf("stat printed %q", got)
	}
	c.prints("3\tdefault\n", "stores", strings.TrimSuffix(h.url, "default"))
	c.prints("3\tdefault\n", "stores", strings.TrimSuffix(h.url, "/default"))
	c.fails(exitFailed, `no such open store; it has "default"`, "count", h.url+"t")
	c.fails(exitUsage, `append the name of a store of the host; it has "default"`, "count", strings.TrimSuffix(h.url, "default"))
	c.fails(exitFailed, "permits only set, del and expire", "import", h.url, c.file("x.jsonl", `{"key":"a","value":1}`))
	c.fails(exitFailed, "in a file of this process", "backup", h.url, "b.db")
	c.fails(exitUsage, "omit it", "count", h.url, "--live")
	c.noTemporaries()
}

// file writes a file and returns its name.
func (c *cli) file(name, text string) string {
	c.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		c.Fatal(err)
	}
	return name
}

func TestTheFileOfARunningHostIsBackedUp(t *testing.T) {
	c := newCLI(t)
	h := newHost(t, all())
	for _, name := range []string{"app.db", "sub/app.db"} {
		os.MkdirAll(filepath.Dir(name), 0o700)
		s, err := h.registry.Open(t.Context(), name)
		if err == nil {
			err = s.SetMany(t.Context(), map[string]any{name: 1, "k": 2}, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		if name == "app.db" {
			url := strings.Replace(h.url, "default", "app.db", 1)
			c.ok("backup", url, "copy.db")
			c.prints("2\n", "count", "copy.db")
			c.prints("1\n", "get", "copy.db", name)
			if got := c.ok("backup", url, "json.db", "--json"); !strings.HasPrefix(got, `{"file":"json.db","keys":2,"bytes":`) {
				t.Errorf("backup printed %q", got)
			}
			c.fails(exitFailed, "exists", "backup", url, "copy.db")
			if got := c.ok("stat", url); strings.Contains(got, "unknown") {
				t.Errorf("stat printed %q", got)
			}
		}
	}
	// Two files with one name in different folders: the id is the whole name.
	whole := strings.ReplaceAll(filepath.ToSlash(filepath.Join(c.dir, "sub/app.db")), "/", "%2F")
	c.prints("1\n", "get", strings.Replace(h.url, "default", whole, 1), "sub/app.db")
	c.noTemporaries()
}

func TestWhatAHostDoesNotPermitIsRefused(t *testing.T) {
	c := newCLI(t)
	h := newHost(t, kvadmin.Options{})
	if err := h.Set(t.Context(), "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	c.prints("k\n", "keys", h.url)
	c.prints("none\n", "ttl", h.url, "k")
	c.fails(exitFailed, "Options.Values", "get", h.url, "k")
	c.fails(exitFailed, "Options.Values", "export", h.url)
	c.fails(exitFailed, "Options.Write", "set", h.url, "k", "2")
	c.fails(exitFailed, "Options.Write", "del", h.url, "k")
	c.fails(exitFailed, "Options.Write", "expire", h.url, "k", "1")
	c.fails(exitFailed, "Options.Backup", "backup", h.url, "b.db")
	t.Setenv("SCRIPTLING_KV_TOKEN", "wrong")
	for _, args := range [][]string{{"keys", h.url}, {"stores", h.url}, {"top", h.url}, {"watch", h.url}} {
		c.fails(exitFailed, "SCRIPTLING_KV_TOKEN", args...)
	}
	t.Setenv("SCRIPTLING_KV_TOKEN", "")
	c.fails(exitFailed, "SCRIPTLING_KV_TOKEN", "keys", h.url)
	t.Setenv("SCRIPTLING_KV_TOKEN", "a\nb")
	c.fails(exitUsage, "SCRIPTLING_KV_TOKEN", "keys", h.url)
	c.fails(exitUsage, "SCRIPTLING_KV_TOKEN", "keys", strings.Replace(h.url, "http://", "http://u:p@", 1))
}

func TestAHostIsReachedOverASocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths of sockets")
	}
	c := newCLI(t)
	h := newHost(t, all())
	dir, err := os.MkdirTemp("", "kv") // a short name: sockets have no long ones
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "app.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h.handler}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	c.ok("set", "unix://"+socket, "k", "1")
	c.prints("1\n", "get", "unix://"+socket+"?path=/debug/kv/default", "k")
	c.prints("k\n", "keys", "unix://"+socket)
	c.fails(exitFailed, "no such open store", "keys", "unix://"+socket+"?path=/debug/kv/nosuch")
	c.fails(exitFailed, "unreachable", "keys", "unix://"+socket+"2")
	for _, bad := range []string{"unix://host/x", "unix://", "unix://" + socket + "?path=x", "unix://" + socket + "?nosuch=1", "http:///x", "http://host/x?y=1"} {
		if _, stderr, status := c.try("", "keys", bad); status != exitUsage {
			t.Errorf("%s: exit status %d, %s", bad, status, stderr)
		}
	}
}

func TestTheChangesOfAHostArePrinted(t *testing.T) {
	c := newCLI(t)
	h := newHost(t, all())
	cmd, stderr := c.processWithOutput("watch", h.url, "--prefix", "user:", "--json")
	if line, err := stderr.ReadString('\n'); err != nil || line != "watching\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := errors.Join(h.Set(t.Context(), "other", 1, 0), h.Set(t.Context(), "user:1", 1.0, 0)); err != nil {
		t.Fatal(err)
	}
	want := func(text string) {
		t.Helper()
		line, err := cmd.stdout.ReadString('\n')
		if err != nil || !strings.HasSuffix(line, text+"\n") {
			t.Fatalf("%q, %v; want %s", line, err, text)
		}
	}
	want(`,"key":"user:1","value":1.0}`)
	if _, err := h.Delete(t.Context(), "user:1"); err != nil {
		t.Fatal(err)
	}
	want(`,"key":"user:1","deleted":true}`)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, stderr)
	cmd.Wait() // its status is what matters
	if got := cmd.ProcessState.ExitCode(); got != exitInterrupted {
		t.Errorf("exit status %d", got)
	}
}

// hostile answers every request with what a test wants.
func hostile(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	t.Setenv("SCRIPTLING_KV_TOKEN", hostToken)
	return server.URL + "/debug/kv/default"
}

// remoteCommands are the commands that ask a host.
func remoteCommands(url string) [][]string {
	return [][]string{
		{"keys", url}, {"get", url, "k"}, {"ttl", url, "k"}, {"count", url}, {"count", url, "--prefix", "x"}, {"stat", url}, {"export", url}, {"export", url, "-o", "x.jsonl"},
		{"backup", url, "b.db"}, {"move", url, "m.db"}, {"top", url}, {"stores", url}, {"set", url, "k", "1"}, {"del", url, "k"}, {"expire", url, "k", "1"}, {"watch", url, "--timeout", "100ms"},
		{"keys", url, "--reverse"}, {"export", url, "--reverse"},
	}
}

func TestTheTokenGoesToNoOtherHost(t *testing.T) {
	c := newCLI(t)
	other := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host got %s %s with %q", r.Method, r.URL, r.Header)
	})
	for _, status := range []int{301, 302, 303, 307, 308} {
		url := hostile(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, status) })
		for _, args := range remoteCommands(url) {
			stdout, stderr, got := c.try("", args...)
			if got != exitFailed || stdout != "" || !strings.Contains(stderr, "redirects") || strings.Contains(stderr, hostToken) {
				t.Errorf("%d, %q: exit status %d, %q %q", status, args, got, stdout, stderr)
			}
		}
	}
	// A proxy would see the token too.
	t.Setenv("HTTP_PROXY", other)
	t.Setenv("http_proxy", other)
	c.fails(exitFailed, "unreachable", "keys", "http://192.0.2.1.invalid/debug/kv/default")
}

// A good description of a store, which a hostile answer follows.
const description = `{"version":1,"id":"default","name":"default","keys":1}`

func TestNoAnswerOfAHostDoesHarm(t *testing.T) {
	kvtest.OnceIn(t, 3)
	const esc = "a\x1b[31m\u009b2J\u202e"
	endless := func(w http.ResponseWriter, start, part string) {
		io.WriteString(w, start)
		for {
			if _, err := io.WriteString(w, part); err != nil {
				return
			}
		}
	}
	part := strings.Repeat("x", 1<<16)
	for name, answer := range map[string]http.HandlerFunc{
		"nothing":         func(http.ResponseWriter, *http.Request) {},
		"not JSON":        func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>"+esc) },
		"an array":        func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "[1]") },
		"null":            func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "null") },
		"no fields":       func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"version":1}`) },
		"another version": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"version":2,"keys":[]}`) },
		"other types": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"version":1,"keys":"x","count":"y","key":3}`)
		},
		"negative numbers": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"version":1,"count":-1,"deleted":-1,"key":"k","ttl":-1}`)
		},
		"another key": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"version":1,"key":"other","value":1,"count":1,"deleted":9}`)
		},
		"a value that is none": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"version":1,"key":"k","value":{"$set":1},"ttl":1e300}`)
		},
		"the same key forever": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"version":1,"keys":[{"key":"k","ttl":null}],"next":"k"}`)
		},
		"keys in no order": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"version":1,"keys":[{"key":"b"},{"key":"a"},{"key":"c"}]}`)
		},
		"an empty key": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"version":1,"keys":[{"key":""}]}`) },
		"many keys": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"version":1,"keys":[`+strings.Repeat(`{"key":"k"},`, 20_000)+`{"key":"l"}]}`)
		},
		"nested": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.Repeat(`{"version":`, 100_000))
		},
		"endless":  func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"version":1,"x":"`, part) },
		"an error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); io.WriteString(w, esc) },
		"a long error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			endless(w, `{"error":{"code":"x","message":"`, part)
		},
		"an odd error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			fmt.Fprintf(w, `{"error":{"code":"refused","message":%q}}`, "a\u001b[31m\u009b2J\u202e")
		},
		"odd redirects": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://x/\u202e"+esc[:1])
			w.WriteHeader(302)
		},
		"a broken answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"version":1,`)
		},
		"a broken connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCLI(t)
			first := true // the description of the store is as it should be
			url := hostile(t, func(w http.ResponseWriter, r *http.Request) {
				kind := r.Header.Get("Accept")
				w.Header().Set("Content-Type", kind)
				if r.URL.Path == "/debug/kv/default" && first {
					io.WriteString(w, description)
					return
				}
				answer(w, r)
			})
			for _, good := range []bool{true, false} {
				first = good
				for i, args := range remoteCommands(url) {
					if name == "endless" && (!good || i%kvtest.Sized(12, 4, 1) != 0) { // a long answer takes long
						continue
					}
					args = append(args, "--max-value-bytes", "65536") // answers have their least limit
					stdout, stderr, status := c.try("", args...)
					switch args[0] {
					case "stat", "set", "top", "watch": // an answer without fields can be one of these
					default:
						if status == 0 && !(name == "another key" && len(args) == 4 && args[0] == "count") {
							t.Errorf("%q: exit status 0, %.200q %.200q", args, stdout, stderr)
						}
					}
					text := strings.ReplaceAll(stdout+stderr, "\n", "")
					if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\t' }); i >= 0 {
						t.Errorf("%q prints %.80q", args, text[max(i-20, 0):])
					}
					if strings.Contains(text, hostToken) {
						t.Errorf("%q prints the token", args)
					}
				}
				for _, made := range []string{"b.db", "x.jsonl"} {
					if _, err := os.Stat(made); err == nil {
						t.Errorf("%s was made", made)
					}
				}
			}
			c.noTemporaries()
		})
	}
}

func TestKeysOfAHostMoveNoCursor(t *testing.T) {
	c := newCLI(t)
	h := newHost(t, all())
	const odd = "a\x1b[31m\x7f\u009b2J\u202e\u2066\r\nb"
	if err := h.Set(t.Context(), odd, odd, 0); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"keys", h.url}, {"get", h.url, odd}, {"export", h.url}, {"top", h.url}, {"stat", h.url}, {"keys", h.url, "--json"}, {"top", h.url, "--json"}} {
		text := strings.ReplaceAll(c.ok(args...), "\n", "")
		if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q prints %q", args, text)
		}
	}
	printed := strings.TrimSuffix(c.ok("keys", h.url), "\n")
	c.prints(c.ok("get", h.url, odd), "get", h.url, printed)
}

func TestAHostThatStopsAnsweringIsInterrupted(t *testing.T) {
	c := newCLI(t)
	stuck := make(chan struct{})
	defer close(stuck)
	url := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/debug/kv/default" {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, description)
			return
		}
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
	})
	for _, args := range [][]string{{"keys", url}, {"export", url, "-o", "x.jsonl"}, {"backup", url, "b.db"}, {"top", url}} {
		cmd, _, stderr := c.process(args...)
		time.AfterFunc(200*time.Millisecond, func() { cmd.Process.Signal(os.Interrupt) })
		io.Copy(io.Discard, stderr)
		cmd.Wait() // its status is what matters
		if got := cmd.ProcessState.ExitCode(); got != exitInterrupted && got != -1 {
			t.Errorf("%q: exit status %d", args, got)
		}
	}
	c.noTemporaries()
}
