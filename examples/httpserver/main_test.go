package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/scriptweb"
)

const shortPeriod = 0.001 // seconds, so that a test need not wait for the worker

func get(t *testing.T, url string) (users []map[string]any) {
	t.Helper()
	response, err := http.Get(url + "/users")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body struct{ Users []map[string]any }
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != "application/json" {
		t.Errorf("status %d, content type %q", response.StatusCode, got)
	}
	return body.Users
}

func post(url, body string) (status int, text string, err error) {
	response, err := http.Post(url+"/users", "application/json", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return response.StatusCode, string(b), err
}

func newRoutes(t *testing.T) http.Handler {
	t.Helper()
	handlers, err := scriptweb.New(extlibs.DefaultRegistry(), script, scriptweb.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return routes(handlers)
}

// start serves the handlers on a default store of the test's own.
func start(t *testing.T, store string) *httptest.Server {
	t.Helper()
	if err := extlibs.InitKVStore(store); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(newRoutes(t))
	t.Cleanup(func() {
		web.Close()
		if err := extlibs.CloseKVStore(); err != nil {
			t.Error(err)
		}
	})
	return web
}

func TestOverlappingRequestsLoseNoUser(t *testing.T) {
	const requests = 40
	for name, store := range map[string]string{"memory": "", "file": filepath.Join(t.TempDir(), "users.db")} {
		t.Run(name, func(t *testing.T) {
			web := start(t, store)
			counts := make([]bool, requests+1)
			var mu sync.Mutex
			var wg sync.WaitGroup
			for i := range requests {
				wg.Go(func() {
					status, text, err := post(web.URL, fmt.Sprintf(`{"name": "user %d"}`, i))
					var body struct{ Count int }
					if err == nil {
						err = json.Unmarshal([]byte(text), &body)
					}
					if err != nil || status != http.StatusOK || body.Count < 1 || body.Count > requests {
						t.Errorf("status %d, %q (%v)", status, text, err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if counts[body.Count] {
						t.Errorf("two requests were number %d", body.Count)
					}
					counts[body.Count] = true
				})
			}
			wg.Wait()
			if users := get(t, web.URL); len(users) != requests {
				t.Errorf("%d users are kept, want %d", len(users), requests)
			}
		})
	}
}

func TestABadRequestIsRefusedAndStoresNothing(t *testing.T) {
	web := start(t, "")
	for _, c := range []struct {
		body string
		want int
	}{
		{"", http.StatusBadRequest},
		{"{", http.StatusBadRequest},
		{"[1]", http.StatusBadRequest},
		{strings.Repeat(" ", scriptweb.MaxBodyBytes+1), http.StatusRequestEntityTooLarge},
	} {
		if status, text, err := post(web.URL, c.body); status != c.want || err != nil {
			t.Errorf("a body of %d bytes: status %d, %q (%v), want %d", len(c.body), status, text, err, c.want)
		}
	}
	for path, want := range map[string]int{"/nosuch": http.StatusNotFound, "/users": http.StatusMethodNotAllowed} {
		request := httptest.NewRequest(http.MethodDelete, path, &bytes.Buffer{})
		response := httptest.NewRecorder()
		newRoutes(t).ServeHTTP(response, request)
		if response.Code != want {
			t.Errorf("DELETE %s: status %d, want %d", path, response.Code, want)
		}
	}
	if users := get(t, web.URL); len(users) != 0 {
		t.Errorf("%d users are kept", len(users))
	}
}

func TestAShutdownEndsTheWorkerAndKeepsTheData(t *testing.T) {
	store := filepath.Join(t.TempDir(), "users.db")
	for run := 1; run <= 2; run++ {
		ctx, stop := context.WithCancel(context.Background())
		ended, addr := make(chan error, 1), make(chan net.Addr, 1)
		go func() {
			ended <- serve(ctx, "127.0.0.1:0", store, shortPeriod, func(a net.Addr) { addr <- a })
		}()
		url := "http://" + (<-addr).String()
		status, text, err := post(url, `{"name": "Ann"}`)
		if want := fmt.Sprintf(`{"count":%d}`, run); status != http.StatusOK || text != want || err != nil {
			t.Errorf("run %d: status %d, %q (%v), want %q", run, status, text, err, want)
		}
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run %d ended with %v", run, err)
		}
		if _, err := http.Get(url); err == nil {
			t.Errorf("run %d still answers", run)
		}
	}
}

func TestEveryVisitIsCountedOnce(t *testing.T) {
	web := start(t, filepath.Join(t.TempDir(), "users.db"))
	const visits = 40
	var seen sync.Map
	var wg sync.WaitGroup
	for range visits {
		wg.Go(func() {
			response, err := http.Post(web.URL+"/visits", "", nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			var body struct{ Visits int }
			if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			if _, again := seen.LoadOrStore(body.Visits, true); again || body.Visits < 1 || body.Visits > visits {
				t.Errorf("a visit is number %d, seen before: %v", body.Visits, again)
			}
		})
	}
	wg.Wait()
}

func TestTheServerAnswersWhileATaskRuns(t *testing.T) {
	web := start(t, filepath.Join(t.TempDir(), "users.db"))
	report := func(method string) (status int, report map[string]int) {
		t.Helper()
		request, err := http.NewRequest(method, web.URL+"/reports", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(&report); err != nil && response.StatusCode < 300 {
			t.Fatal(err)
		}
		return response.StatusCode, report
	}
	if status, _ := report(http.MethodPost); status != http.StatusAccepted {
		t.Fatalf("status %d", status)
	}
	if status, _ := report(http.MethodPost); status != http.StatusConflict {
		t.Errorf("a second report at once: status %d", status)
	}
	last := 0
	for last < 3 { // answers while the task is at work, with what it has done so far
		_, r := report(http.MethodGet)
		if r["done"] < last || r["done"] > r["of"] {
			t.Fatalf("the report went from %d to %v", last, r)
		}
		last = r["done"]
		get(t, web.URL)
	}
}

func TestAStoreThatCannotBeOpenedIsToldBeforeTheServerListens(t *testing.T) {
	err := serve(context.Background(), "127.0.0.1:0", t.TempDir(), shortPeriod, func(net.Addr) { t.Error("it listens") })
	if err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("serve returned %v", err)
	}
}

func TestAnAddressThatIsTakenEndsTheServerAndClosesTheStore(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	store := filepath.Join(t.TempDir(), "users.db")
	if err := serve(context.Background(), taken.Addr().String(), store, shortPeriod, func(net.Addr) {}); err == nil {
		t.Error("it serves at an address that is taken")
	}
	r := extlibs.NewRegistry()
	defer r.Close()
	if _, err := r.Open(context.Background(), store); err != nil {
		t.Errorf("the store is still open: %v", err)
	}
}
