package kvadmin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/kvadmin"
)

// everybody is an Allow for tests.
func everybody(*http.Request, kvadmin.Action) error { return nil }

// site is a handler with its registry, as a client sees it.
type site struct {
	*testing.T
	registry *extlibs.Registry
	url      string
	dir      string
	header   http.Header
}

func newSite(t *testing.T, o kvadmin.Options) *site {
	t.Helper()
	dir := t.TempDir()
	r := extlibs.NewRegistry()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/kv/", kvadmin.Handler(r, o))
	mux.Handle("/stripped/", http.StripPrefix("/stripped", kvadmin.Handler(r, o)))
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.Close()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return &site{t, r, server.URL + "/debug/kv/", dir, http.Header{"Accept": {"application/json"}}}
}

// file opens a store in a file.
func (s *site) file(name string) *extlibs.Handle {
	s.Helper()
	h, err := s.registry.Open(s.Context(), filepath.Join(s.dir, name))
	if err != nil {
		s.Fatal(err)
	}
	return h
}

func (s *site) fill(h *extlibs.Handle, values map[string]any) {
	s.Helper()
	for key, v := range values {
		if err := h.Set(context.Background(), key, v, 0); err != nil {
			s.Fatal(err)
		}
	}
}

func query(field, value string) string { return url.Values{field: {value}}.Encode() }

// do sends a request and returns the status and the body.
func (s *site) do(method, path, body string) (int, http.Header, string) {
	s.Helper()
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	request.Header = s.header.Clone()
	if body != "" && request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// get returns an answer, which must be JSON with the version and, if code is not empty, an
// error with that code.
func (s *site) json(method, path, body, code string, answer any) {
	s.Helper()
	status, _, text := s.do(method, path, body)
	var frame struct {
		Version int
		Error   struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(text), &frame); err != nil || frame.Version != 1 {
		s.Fatalf("%s %s: status %d, %.200q (%v)", method, path, status, text, err)
	}
	if frame.Error.Code != code || (status == http.StatusOK) != (code == "") {
		s.Fatalf("%s %s: status %d, error %+v, want %q", method, path, status, frame.Error, code)
	}
	if answer != nil {
		if err := json.Unmarshal([]byte(text), answer); err != nil {
			s.Fatalf("%s %s: %.200q: %v", method, path, text, err)
		}
	}
}

type keyList struct {
	Keys []struct {
		Key   string
		TTL   *float64
		Type  string
		Bytes *int
	}
	Next string
}

func (s *site) keys(path string) (l keyList) {
	s.Helper()
	s.json("GET", path, "", "", &l)
	return l
}

func (l keyList) names() string {
	var names []string
	for _, k := range l.Keys {
		names = append(names, k.Key)
	}
	return strings.Join(names, " ")
}

func TestTheJSONOfAStore(t *testing.T) {
	s := newSite(t, kvadmin.Options{Allow: everybody, Values: true, Write: true, Backup: true})
	h := s.file("app.db")
	ctx := t.Context()
	s.fill(h, map[string]any{"user:1": extlibs.Tuple{int64(1), 1.0}, "user:2": "x", "other": []byte{0, 255}})
	if err := h.Set(ctx, "user:3", nil, time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{s.url, strings.Replace(s.url, "debug/kv", "stripped", 1)} {
		s.url = root
		for _, store := range []string{"app.db", url.PathEscape(h.Name())} {
			var stat struct {
				ID, Name, Kind        string
				Keys, Sets, Bytes     *int64
				Write, Values, Backup bool
			}
			s.json("GET", store, "", "", &stat)
			if stat.ID != "app.db" || stat.Name != h.Name() || stat.Kind != "file" || stat.Keys == nil || *stat.Keys != 4 || !stat.Write || !stat.Values || !stat.Backup {
				t.Errorf("stat: %+v", stat)
			}
			l := s.keys(store + "/keys?prefix=user:&limit=2&info=1")
			if l.names() != "user:1 user:2" || l.Next != "user:2" || l.Keys[0].Type != "tuple" || *l.Keys[0].Bytes < 3 || l.Keys[0].TTL != nil {
				t.Errorf("keys: %+v", l)
			}
			l = s.keys(store + "/keys?prefix=user:&after=" + l.Next)
			if l.names() != "user:3" || *l.Keys[0].TTL < 3500 || *l.Keys[0].TTL > 3600 {
				t.Errorf("keys: %+v", l)
			}
			l = s.keys(store + "/keys?prefix=user:&reverse=1&limit=2")
			if l.names() != "user:3 user:2" || l.Next != "user:2" {
				t.Errorf("keys: %+v", l)
			}
			l = s.keys(store + "/keys?prefix=user:&reverse=1&before=" + l.Next)
			if l.names() != "user:1" || l.Next != "" {
				t.Errorf("keys: %+v", l)
			}
			l = s.keys(store + "/keys?after=user:1&before=user:3")
			if l.names() != "user:2" {
				t.Errorf("keys: %+v", l)
			}
			var count struct{ Count int }
			s.json("GET", store+"/count?pattern=*r:%5B12%5D", "", "", &count)
			if count.Count != 2 {
				t.Errorf("count: %+v", count)
			}
			var value struct {
				Key, Type string
				Value     json.RawMessage
			}
			s.json("GET", store+"/key?key=user:1", "", "", &value)
			if value.Key != "user:1" || value.Type != "tuple" || string(value.Value) != `{"$tuple":[1,1.0]}` {
				t.Errorf("value: %+v %s", value, value.Value)
			}
			var top struct {
				Keys     []struct{ Key string }
				Prefixes []struct {
					Prefix string
					Keys   int
				}
				Scanned int
			}
			s.json("GET", store+"/top?n=2", "", "", &top)
			if top.Scanned != 4 || len(top.Keys) != 2 || len(top.Prefixes) != 1 || top.Prefixes[0].Prefix != "user:" || top.Prefixes[0].Keys != 3 {
				t.Errorf("top: %+v", top)
			}
			if _, _, text := s.do("GET", store+"/export?prefix=user:", ""); !strings.HasPrefix(text, `{"key":"user:1","value":{"$tuple":[1,1.0]}}`+"\n"+`{"key":"user:2","value":"x"}`+"\n"+`{"key":"user:3","value":null,"ttl":3`) {
				t.Errorf("export: %s", text)
			}
			status, _, file := s.do("GET", store+"/backup", "")
			if status != http.StatusOK || len(file) < 4096 {
				t.Errorf("backup: status %d, %d bytes", status, len(file))
			}
		}
	}
	var stores struct{ Stores []struct{ ID, Name string } }
	s.json("GET", "", "", "", &stores)
	if len(stores.Stores) != 2 || stores.Stores[0].ID != "default" || stores.Stores[1].ID != "app.db" {
		t.Errorf("stores: %+v", stores)
	}
	for _, selection := range []string{"pattern=nosuch", "pattern=other"} { // null is an unknown number and no expiry only
		if _, _, text := s.do("GET", "app.db/top?"+selection, ""); !strings.Contains(text, `"prefixes":[]`) || strings.Contains(text, "null") {
			t.Errorf("top of %s: %s", selection, text)
		}
	}
	s.json("GET", "nosuch", "", "no_store", nil)
	s.json("GET", "app.db/nosuch", "", "no_path", nil)
	s.json("GET", "app.db/key/x", "", "no_path", nil)
	s.json("GET", "app.db/key?key=nosuch", "", "not_found", nil)
	s.json("GET", "app.db/key?key=", "", "invalid", nil)
	s.json("GET", "app.db/keys?limit=x", "", "invalid", nil)
	s.json("GET", "app.db/keys?pattern=%5B", "", "invalid", nil)
	s.json("GET", "default/backup", "", "unsupported", nil)
}

func TestAStoreIsShownByTheNameOfTheOptions(t *testing.T) {
	var asked []kvadmin.Action
	s := newSite(t, kvadmin.Options{
		Allow: func(_ *http.Request, a kvadmin.Action) error {
			asked = append(asked, a)
			return nil
		},
		Name: func(store string) string { return strings.Replace(store, "/copy-of-", "/", 1) },
	})
	h := s.file("copy-of-app.db")
	shown := filepath.Join(s.dir, "app.db")
	var stores struct {
		Stores []struct{ ID, Name, Kind string }
	}
	s.json("GET", "", "", "", &stores)
	if len(stores.Stores) != 2 || stores.Stores[1].ID != "app.db" || stores.Stores[1].Name != shown || stores.Stores[1].Kind != "file" {
		t.Errorf("stores: %+v", stores)
	}
	var stat struct{ ID, Name string }
	for _, id := range []string{"app.db", url.PathEscape(shown)} {
		asked = nil
		if s.json("GET", id, "", "", &stat); stat.ID != "app.db" || stat.Name != shown {
			t.Errorf("stat of %s: %+v", id, stat)
		}
		if len(asked) != 1 || asked[0].Store != h.Name() {
			t.Errorf("Allow is asked about %+v", asked)
		}
	}
	s.header.Set("Accept", "text/html")
	for _, path := range []string{"", "app.db"} {
		if _, _, page := s.do("GET", path, ""); strings.Contains(page, "copy-of") {
			t.Errorf("the page %q shows the other name", path)
		}
	}
}

func TestChangesByJSON(t *testing.T) {
	var log bytes.Buffer
	s := newSite(t, kvadmin.Options{Write: true, Logger: slog.New(slog.NewTextHandler(&log, nil)), Allow: func(r *http.Request, _ kvadmin.Action) error {
		kvadmin.SetUser(r, "ann")
		return nil
	}})
	h := s.registry.Default()
	ctx := t.Context()
	s.json("POST", "default/set", `{"key":"a","value":{"$set":[1]},"ttl":60}`, "", nil)
	if v, err := h.Get(ctx, "a"); err != nil || len(v.(extlibs.Set)) != 1 {
		t.Errorf("%v, %v", v, err)
	}
	if left, err := h.TTL(ctx, "a"); err != nil || left < 50*time.Second || left > time.Minute {
		t.Errorf("%v, %v", left, err)
	}
	var existed struct{ Existed bool }
	s.json("POST", "default/expire", `{"key":"a","ttl":null}`, "", &existed)
	if left, err := h.TTL(ctx, "a"); err != nil || left != 0 || !existed.Existed {
		t.Errorf("%v, %v", left, err)
	}
	var deleted struct{ Deleted int }
	s.json("POST", "default/delete", `{"keys":["a","b"]}`, "", &deleted)
	if deleted.Deleted != 1 {
		t.Errorf("%+v", deleted)
	}
	s.fill(h, map[string]any{"x:1": 1, "x:2": 2, "y": 3})
	s.json("POST", "default/delete-matching", `{"prefix":"x:"}`, "", &deleted)
	if n, err := h.Count(ctx, "*"); deleted.Deleted != 2 || n != 1 || err != nil {
		t.Errorf("%+v, %d are left, %v", deleted, n, err)
	}
	for _, line := range []string{"kvadmin: set", "kvadmin: expire", "kvadmin: delete ", "kvadmin: delete-matching"} {
		if !strings.Contains(strings.ReplaceAll(log.String(), `"`, " "), line) {
			t.Errorf("the log has no line %q:\n%s", line, log.String())
		}
	}
	if n := strings.Count(log.String(), "user=ann"); n != strings.Count(log.String(), "\n") {
		t.Errorf("%d lines name the user:\n%s", n, log.String())
	}
	for body, code := range map[string]string{
		`{}`: "invalid", `[]`: "invalid", `{"key":"k","value":1}x`: "invalid", `{"key":"","value":1}`: "invalid", `{"key":"k"}`: "invalid",
		`{"key":"k","value":1,"ttl":-1}`: "invalid", `{"key":"k","value":{"$set":1}}`: "invalid", `{"key":"k","value":1,"tll":1}`: "invalid",
		"{\"key\":\"\xff\",\"value\":1}": "invalid",
	} {
		s.json("POST", "default/set", body, code, nil)
	}
	s.json("POST", "default/delete-matching", `{}`, "invalid", nil)
	s.json("GET", "default/set", "", "method", nil)
	s.json("POST", "default/keys", "{}", "method", nil)
	if n, err := h.Count(ctx, "*"); n != 1 || err != nil {
		t.Errorf("%d keys are left, %v", n, err)
	}
}
