package kvadmin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/kvadmin"
)

// watching is a client of a watch.
type watching struct {
	*testing.T
	lines *bufio.Scanner
	close func()
}

type event struct {
	name                  string
	Key, Type, Text, Code string
	Gone, Hidden          bool
	TTL                   *float64
	Value                 json.RawMessage
	Error                 struct{ Code string }
}

func (s *site) watch(path string) *watching {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	request, err := http.NewRequestWithContext(ctx, "GET", s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	request.Header = s.header.Clone()
	request.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
		s.Fatalf("the type is %s", kind)
	}
	w := &watching{s.T, bufio.NewScanner(response.Body), func() { cancel(); response.Body.Close() }}
	s.Cleanup(w.close)
	if e := w.next(); e.name != "ready" {
		s.Fatalf("the first event is %+v", e)
	}
	return w
}

// next returns the next event; its name is "" at the end.
func (w *watching) next() (e event) {
	w.Helper()
	for w.lines.Scan() {
		line := w.lines.Text()
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			e.name = name
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var frame struct{ Version int }
			if err := json.Unmarshal([]byte(data), &frame); err != nil || frame.Version != 1 {
				w.Fatalf("%s (%v)", data, err)
			}
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				w.Fatal(err)
			}
		}
		if line == "" && e.name != "" {
			return e
		}
	}
	return event{}
}

func TestAWatchStreamsChanges(t *testing.T) {
	s := newSite(t, kvadmin.Options{Allow: everybody, Values: true, Hide: func(_, key string) bool { return strings.HasPrefix(key, "a:secret") }})
	h, ctx := s.registry.Default(), t.Context()
	w := s.watch("default/watch?prefix=a:")
	s.fill(h, map[string]any{"b": 1})
	s.fill(h, map[string]any{"a:secret": 1})
	if err := h.Set(ctx, "a:\nevent: x", extlibs.Tuple{int64(1)}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if e := w.next(); e.name != "change" || e.Key != "a:\nevent: x" || e.Type != "tuple" || string(e.Value) != `{"$tuple":[1]}` || e.Text != "(1,)" || *e.TTL < 3500 || e.Gone {
		t.Errorf("%+v", e)
	}
	if _, err := h.Delete(ctx, "a:\nevent: x"); err != nil {
		t.Fatal(err)
	}
	if e := w.next(); e.name != "change" || e.Key != "a:\nevent: x" || !e.Gone || e.Value != nil {
		t.Errorf("%+v", e)
	}
	if err := h.Set(ctx, "a:short", 1, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for {
		e := w.next()
		if e.name != "change" || e.Key != "a:short" {
			t.Errorf("%+v", e)
		}
		if e.Gone || e.name == "" {
			break
		}
	}
	if err := h.Clear(ctx); err != nil {
		t.Fatal(err)
	}
	if e := w.next(); e.name != "lost" {
		t.Errorf("%+v", e)
	}
	if err := s.registry.Close(); err != nil {
		t.Fatal(err)
	}
	if e := w.next(); e.name != "error" || e.Error.Code != "closed" {
		t.Errorf("%+v", e)
	}
	if e := w.next(); e.name != "" {
		t.Errorf("%+v", e)
	}
}

func TestAWatchHidesValues(t *testing.T) {
	s := newSite(t, kvadmin.Options{Allow: everybody})
	w := s.watch("default/watch")
	s.fill(s.registry.Default(), map[string]any{"a": secretValue})
	if e := w.next(); e.Key != "a" || !e.Hidden || e.Value != nil || e.Text != "" || e.Type != "str" {
		t.Errorf("%+v", e)
	}
}

func TestAWatchEndsAfterATime(t *testing.T) {
	s := newSite(t, kvadmin.Options{Allow: everybody})
	if e := s.watch("default/watch?for=0.01").next(); e.name != "" {
		t.Errorf("%+v", e)
	}
	s.json("GET", "default/watch?for=x", "", "invalid", nil)
	s.json("GET", "default/watch?pattern=%5B", "", "invalid", nil)
}

// An orderly shutdown waits for requests; a watch that is not closed must not delay it.
func TestAShutdownEndsWatches(t *testing.T) {
	r := extlibs.NewRegistry()
	defer r.Close()
	server := &http.Server{Handler: kvadmin.Handler(r, kvadmin.Options{Allow: everybody})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	s := &site{T: t, registry: r, url: fmt.Sprintf("http://%s/", listener.Addr()), header: http.Header{}}
	w := s.watch("default/watch")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Errorf("the shutdown ended with %v", err)
	}
	if e := w.next(); e.name != "" {
		t.Errorf("%+v", e)
	}
}

func TestTooManyWatchesAreRefused(t *testing.T) {
	s := newSite(t, kvadmin.Options{Allow: everybody})
	var all []*watching
	for range 200 {
		all = append(all, s.watch("default/watch"))
	}
	s.json("GET", "default/watch", "", "busy", nil)
	all[0].close()
	for i := 0; ; i++ { // the handler notices a moment later
		status, _, _ := s.do("GET", "default/watch?for=0", "")
		if status == http.StatusOK {
			break
		}
		if i == 1000 {
			t.Fatal("the place stays taken")
		}
		time.Sleep(time.Millisecond)
	}
}
