package kvadmin_test

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/kvadmin"
)

// quick calls a handler without a network.
func quick(t *testing.T, o kvadmin.Options, r *extlibs.Registry) func(method, path string) (status int, body string) {
	handler := kvadmin.Handler(r, o)
	return func(method, path string) (int, string) {
		request := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, request)
		return w.Code, w.Body.String()
	}
}

func filled(t *testing.T, n int) *extlibs.Registry {
	t.Helper()
	r := extlibs.NewRegistry()
	for i := range n {
		if err := r.Default().Set(t.Context(), strings.Repeat("k", i+1), i, 0); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// While a scan runs a second one waits, and is then refused; pages of keys continue.
func TestOneScanRunsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := filled(t, 3)
		defer r.Close()
		release := make(chan struct{})
		var scans sync.WaitGroup
		get := quick(t, kvadmin.Options{Allow: everybody, Values: true, Hide: func(_, key string) bool {
			if len(key) == 3 {
				<-release
			}
			return false
		}}, r)
		scans.Go(func() {
			if status, body := get("GET", "/default/top"); status != 200 || !strings.Contains(body, `"scanned":3`) {
				t.Errorf("status %d, %s", status, body)
			}
		})
		synctest.Wait()
		for _, path := range []string{"/default/count", "/default/top", "/default/keys?pattern=*x", "/default/export", "/default/count?prefix=k"} {
			start := time.Now()
			if status, body := get("GET", path); status != 503 || !strings.Contains(body, `"busy"`) {
				t.Errorf("%s: status %d, %s", path, status, body)
			}
			if waited := time.Since(start); waited != 3*time.Second {
				t.Errorf("%s: it waited %v", path, waited)
			}
		}
		if status, body := get("GET", "/default/keys?limit=1"); status != 200 || !strings.Contains(body, `"key":"k"`) {
			t.Errorf("status %d, %s", status, body)
		}
		close(release)
		scans.Wait()
		if status, body := get("GET", "/default/count"); status != 200 {
			t.Errorf("status %d, %s", status, body)
		}
	})
}

// A scan ends at its deadline, and a search with what it has found.
func TestScansHaveADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := filled(t, 1000)
		defer r.Close()
		get := quick(t, kvadmin.Options{Allow: everybody, Hide: func(string, string) bool {
			time.Sleep(100 * time.Millisecond)
			return false
		}}, r)
		start := time.Now()
		if status, body := get("GET", "/default/count"); status != 503 || !strings.Contains(body, `"timeout"`) {
			t.Errorf("status %d, %s", status, body)
		}
		if took := time.Since(start); took < time.Minute || took > 90*time.Second {
			t.Errorf("it took %v", took)
		}
		start = time.Now()
		if status, body := get("GET", "/default/keys?pattern=*k"); status != 200 || !strings.Contains(body, `"next":"k`) || strings.Count(body, `"key":`) > 30 {
			t.Errorf("status %d, %s", status, body)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Sampling begins with a request, and ends some time after the last one.
func TestChartsAreSampledWhileSomebodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := filled(t, 3)
		defer r.Close()
		get := quick(t, kvadmin.Options{Allow: everybody}, r)
		get("GET", "/default")
		for range 20 {
			r.Default().Get(t.Context(), "k")
			r.Default().Get(t.Context(), "absent")
		}
		time.Sleep(2100 * time.Millisecond)
		if _, body := get("GET", "/default?history=1"); !strings.Contains(body, `"ops":20,"hits":0.5}`) {
			t.Errorf("%s", body)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, body := get("GET", "/default?history=1"); strings.Contains(body, `"history"`) {
			t.Errorf("%s", body)
		}
	})
}
