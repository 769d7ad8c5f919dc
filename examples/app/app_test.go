package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// client is somebody who is logged in.
type client struct {
	*testing.T
	app        *app
	url, token string
}

// start runs an app of the test's own.
func start(t *testing.T, dir string) (*app, *client) {
	t.Helper()
	a, err := newApp(config{
		store: filepath.Join(dir, "app.db"), backups: filepath.Join(dir, "backups"),
		workers: 2, lease: 60, logger: slog.New(slog.DiscardHandler), password: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(a.web.Handler)
	t.Cleanup(func() {
		web.Close()
		if err := a.registry.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &client{T: t, app: a, url: web.URL}
	var answer struct{ Token string }
	if status := c.call("POST", "/login", `{"user": "ann"}`, &answer); status != http.StatusOK || len(answer.Token) < 20 {
		t.Fatalf("login: status %d, %+v", status, answer)
	}
	c.token = answer.Token
	return a, c
}

func (c *client) call(method, path, body string, answer any) (status int) {
	c.Helper()
	request, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			c.Fatalf("%s %s: status %d, %q", method, path, response.StatusCode, text)
		}
	}
	return response.StatusCode
}

type jobs struct {
	Jobs []struct {
		Job    int
		State  string
		Result int
	}
}

// done waits until all jobs are done. It looks into the store, because callers
// are counted.
func (c *client) done() (all jobs) {
	c.Helper()
	for waiting := true; waiting; time.Sleep(time.Millisecond) {
		items, err := c.app.registry.Default().Items(c.Context(), extlibs.ListOptions{Pattern: "job:*"})
		if err != nil {
			c.Fatal(err)
		}
		waiting = slices.ContainsFunc(items, func(i extlibs.Item) bool {
			return i.Value.(map[string]any)["state"] != "done"
		})
	}
	if status := c.call("GET", "/jobs", "", &all); status != http.StatusOK {
		c.Fatalf("jobs: status %d", status)
	}
	return all
}

func TestJobsAreDoneOnceEach(t *testing.T) {
	_, c := start(t, t.TempDir())
	for range 5 {
		if status := c.call("POST", "/jobs", `{"text": "hello"}`, nil); status != http.StatusAccepted {
			t.Fatalf("status %d", status)
		}
	}
	got := c.done()
	if len(got.Jobs) != 5 {
		t.Errorf("%d jobs", len(got.Jobs))
	}
	for waiting := true; waiting; time.Sleep(time.Millisecond) { // jobs that are done go away one day
		left, err := c.app.registry.Default().TTL(t.Context(), "job:000000000005")
		if err != nil {
			t.Fatal(err)
		}
		waiting = left == 0
	}
	for i, j := range got.Jobs {
		if j.Job != i+1 || j.Result != 5 {
			t.Errorf("job %+v", j)
		}
	}
}

// A listing comes from the cache until a job of its user is added or done.
func TestAListingOfJobsIsKeptUntilItChanges(t *testing.T) {
	a, c := start(t, t.TempDir())
	cache, err := a.registry.Open(t.Context(), ":cache:listings")
	if err != nil {
		t.Fatal(err)
	}
	list := func() (all jobs) {
		t.Helper()
		if status := c.call("GET", "/jobs", "", &all); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
		return all
	}
	if got := list(); len(got.Jobs) != 0 {
		t.Errorf("jobs %+v", got)
	}
	if left, err := cache.TTL(t.Context(), "ann"); left <= 0 || left > 5*time.Second || err != nil {
		t.Errorf("the listing is kept for %v (%v)", left, err)
	}
	if err := cache.Set(t.Context(), "ann", []any{map[string]any{"job": 77}}, 0); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got.Jobs) != 1 || got.Jobs[0].Job != 77 {
		t.Errorf("it is not the kept listing: %+v", got)
	}
	c.call("POST", "/jobs", `{"text": "hello"}`, nil)
	if got := c.done(); len(got.Jobs) != 1 || got.Jobs[0].Job != 1 {
		t.Errorf("jobs %+v", got)
	}
	if err := cache.Set(t.Context(), "ann", []any{}, 0); err != nil {
		t.Fatal(err)
	}
	h, job := a.registry.Default(), map[string]any{"user": "ann", "data": map[string]any{"text": "hello"}, "state": "waiting"}
	if err := h.SetMany(t.Context(), map[string]any{"job:000000000002": job, "queue:000000000002": true}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Incr(t.Context(), "jobs:queued", 1, 0); err != nil {
		t.Fatal(err)
	}
	within, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := cache.WaitChange(within, "ann", []any{}); err != nil { // the worker removes it
		t.Fatal(err)
	}
	if got := list(); len(got.Jobs) != 2 || got.Jobs[1].Result != 5 {
		t.Errorf("jobs %+v", got)
	}
}

func TestARequestWithoutASessionIsRefused(t *testing.T) {
	_, c := start(t, t.TempDir())
	if status := c.call("POST", "/logout", "", nil); status != http.StatusOK {
		t.Errorf("logout: status %d", status)
	}
	for _, token := range []string{c.token, "", "none", strings.Repeat("x", 200)} {
		c.token = token
		if status := c.call("GET", "/jobs", "", nil); status != http.StatusUnauthorized {
			t.Errorf("token %.10q: status %d", token, status)
		}
	}
	for _, body := range []string{"", "{", "[]", `{"user": 1}`, `{"user": ""}`} {
		if status := c.call("POST", "/login", body, nil); status != http.StatusBadRequest {
			t.Errorf("login with %q: status %d", body, status)
		}
	}
}

func TestTheRateLimiterCountsPerUser(t *testing.T) {
	_, c := start(t, t.TempDir())
	const allowed = 30
	for i := range allowed + 1 {
		want := http.StatusOK
		if i == allowed {
			want = http.StatusTooManyRequests
		}
		if status := c.call("GET", "/jobs", "", nil); status != want {
			t.Fatalf("call %d: status %d, want %d", i+1, status, want)
		}
	}
	var answer struct{ Token string }
	c.call("POST", "/login", `{"user": "bob"}`, &answer)
	c.token = answer.Token
	if status := c.call("GET", "/jobs", "", nil); status != http.StatusOK {
		t.Errorf("another user: status %d", status)
	}
}

func TestABackupIsAStoreAndTheCountersAreShown(t *testing.T) {
	a, c := start(t, t.TempDir())
	c.call("POST", "/jobs", `{"text": "hello"}`, nil)
	var answer struct{ Backup string }
	if status := c.call("POST", "/admin/backup", "", &answer); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	r := extlibs.NewRegistry()
	defer r.Close()
	h, err := r.Open(t.Context(), filepath.Join(a.backups, answer.Backup))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := h.Count(t.Context(), "job:*"); n != 1 || err != nil {
		t.Errorf("the backup has %d jobs (%v)", n, err)
	}
	var vars struct{ KV map[string]struct{ Keys int } }
	if c.call("GET", "/debug/vars", "", &vars); len(vars.KV) != 4 {
		t.Errorf("counters: %+v", vars)
	}
}

// An operator with the password sees the jobs, and not the sessions.
func TestThePagesShowTheStoresToOperators(t *testing.T) {
	_, c := start(t, t.TempDir())
	c.call("POST", "/jobs", `{"text": "hello"}`, nil)
	var answer struct{ Keys []struct{ Key string } }
	if status := c.call("GET", "/debug/kv/default/keys", "", &answer); status != http.StatusUnauthorized || len(answer.Keys) > 0 {
		t.Errorf("without the password: status %d, %+v", status, answer)
	}
	token := c.token
	c.token = "secret"
	if status := c.call("GET", "/debug/kv/default/keys", "", &answer); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	seen := false
	for _, k := range answer.Keys {
		seen = seen || k.Key == "job:000000000001"
		if strings.HasPrefix(k.Key, "session:") {
			t.Errorf("a session is shown")
		}
	}
	if !seen || token == "" {
		t.Errorf("the job is not shown: %+v", answer)
	}
}

func TestWhatWasQueuedWhenTheServiceEndedIsDoneByTheNext(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	a, err := newApp(config{store: filepath.Join(dir, "app.db"), backups: dir, logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}) // no workers
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.serve(ctx, listener) }()
	c := &client{T: t, app: a, url: "http://" + listener.Addr().String()}
	var answer struct{ Token string }
	c.call("POST", "/login", `{"user": "ann"}`, &answer)
	c.token = answer.Token
	if status := c.call("POST", "/jobs", `{"text": "hello"}`, nil); status != http.StatusAccepted {
		t.Fatalf("status %d", status)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Fatalf("it ended with %v", err)
	}
	if log.Len() != 0 {
		t.Errorf("the log says %s", log.String())
	}
	_, next := start(t, dir)
	next.token = c.token // the session has survived as well
	if got := next.done(); len(got.Jobs) != 1 || got.Jobs[0].Result != 5 {
		t.Errorf("jobs: %+v", got)
	}
}
