package kvadmin_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/kvadmin"
)

const (
	secretKey   = "secret-key"
	secretValue = "secret-value"
	secretStore = ":memory:secret-store"
)

// reads are all paths of GET requests, and writes those of POST requests, of a store.
var (
	reads  = []string{"", "/keys", "/keys?info=1", "/keys?pattern=*e*", "?pattern=*e*", "/count", "/count?prefix=s", "/top", "/key?key=" + secretKey, "/export", "/backup", "/watch?for=0", "/nosuch"}
	writes = []string{"/set", "/expire", "/delete", "/delete-matching"}
)

// bodies are changes of secretKey, in the order of writes.
var bodies = []string{`{"key":"secret-key","value":1}`, `{"key":"secret-key","ttl":1}`, `{"keys":["secret-key"]}`, `{"prefix":"s"}`}

// forms are the same as pages send them.
var forms = []struct{ path, body string }{
	{"/set?key=secret-key", "was=0&value=1&as=json"}, {"/set", "key=secret-key&value=1&as=json"}, {"/expire?key=secret-key", "ttl=1&unit=s"},
	{"/delete?key=secret-key", "x=1"}, {"/delete-matching?prefix=s", "x=1"}, {"/delete-matching?pattern=*", "x=1"},
}

// eachAnswer calls fn for the answers to all requests, as HTML and as JSON.
func (s *site) eachAnswer(stores []string, fn func(request string, status int, header http.Header, body string)) {
	s.Helper()
	defer func(h http.Header) { s.header = h }(s.header)
	for _, accept := range []string{"application/json", "text/html", ""} {
		s.header = s.header.Clone()
		s.header.Set("Accept", accept)
		do := func(method, path, contentType, body string) {
			if s.header.Del("Content-Type"); contentType != "" {
				s.header.Set("Content-Type", contentType)
			}
			status, header, text := s.do(method, path, body)
			fn(fmt.Sprintf("%s %s (%s)", method, path, accept), status, header, text)
		}
		do("GET", "", "", "")
		for _, store := range stores {
			for _, path := range reads {
				do("GET", store+path, "", "")
				do("HEAD", store+path, "", "")
			}
			for i, path := range writes {
				do("POST", store+path, "application/json", bodies[i])
				do("GET", store+path, "", "")
			}
			for _, f := range forms {
				do("POST", store+f.path, "application/x-www-form-urlencoded", f.body)
			}
			for _, method := range []string{"PUT", "DELETE", "PATCH"} {
				do(method, store+"/key?key="+secretKey, "application/json", `{"value":1}`)
			}
		}
	}
}

// secretSite returns a site with secrets in its stores.
func secretSite(t *testing.T, o kvadmin.Options) (*site, *extlibs.Handle) {
	t.Helper()
	s := newSite(t, o)
	h := s.registry.Default()
	s.fill(h, map[string]any{secretKey: secretValue, "other": "x"})
	named, err := s.registry.Open(t.Context(), secretStore)
	if err != nil {
		t.Fatal(err)
	}
	s.fill(named, map[string]any{secretKey: secretValue})
	return s, h
}

func TestWithoutAllowEverythingIsRefusedWithTheLineToWrite(t *testing.T) {
	s, _ := secretSite(t, kvadmin.Options{Write: true, Values: true, Backup: true})
	s.eachAnswer([]string{"default", secretStore, "nosuch"}, func(request string, status int, _ http.Header, body string) {
		if status != http.StatusForbidden || strings.Contains(body, "secret") || !strings.HasPrefix(request, "HEAD") && !strings.Contains(body, "Options{Allow: kvadmin.Password(os.Getenv(") {
			t.Errorf("%s: status %d, %s", request, status, body)
		}
	})
}

// An answer to a caller that Allow refuses does not depend on what there is.
func TestACallerWhomAllowRefusesSeesNotEvenNames(t *testing.T) {
	for name, allow := range map[string]func(*http.Request, kvadmin.Action) error{
		"password":       kvadmin.Password("right"),
		"empty password": kvadmin.Password(""),
		"forbidden":      func(*http.Request, kvadmin.Action) error { return errors.New("not you") },
	} {
		s, h := secretSite(t, kvadmin.Options{Allow: allow, Write: true, Values: true, Backup: true})
		for _, credentials := range []string{"", "Bearer wrong", "Bearer ", "Basic ZW1wdHk6", "Bearer right2"} {
			s.header.Set("Authorization", credentials)
			answers := map[string]string{} // by request, without the store
			s.eachAnswer([]string{"default", secretStore, "nosuch"}, func(request string, status int, header http.Header, body string) {
				if status != http.StatusUnauthorized && status != http.StatusForbidden || strings.Contains(body, "secret") || strings.Contains(body, ":memory") {
					t.Errorf("%s, %q: %s: status %d, %s", name, credentials, request, status, body)
				}
				delete(header, "Date")
				answer := fmt.Sprint(status, header, strings.ReplaceAll(body, `href="./`, ""))
				for _, store := range []string{"default", secretStore, "nosuch"} {
					request = strings.Replace(request, " "+store, " STORE", 1)
				}
				if first, seen := answers[request]; seen && first != answer {
					t.Errorf("%s: %s: answers differ:\n%s\n%s", name, request, first, answer)
				}
				answers[request] = answer
			})
		}
		if n, err := h.Count(t.Context(), "*"); n != 2 || err != nil {
			t.Errorf("%s: %d keys are left, %v", name, n, err)
		}
	}
}

func TestAllowDecidesAboutEachStoreAndKey(t *testing.T) {
	s, h := secretSite(t, kvadmin.Options{Write: true, Values: true, Backup: true, Allow: func(_ *http.Request, a kvadmin.Action) error {
		if a.Store == secretStore || a.Key == secretKey || a.Kind == kvadmin.Export || a.Kind == kvadmin.DelMany {
			return errors.New("no")
		}
		return nil
	}})
	s.eachAnswer([]string{"default", secretStore}, func(request string, status int, _ http.Header, body string) {
		if strings.Contains(body, "secret-store") || strings.Contains(body, secretValue) && !strings.Contains(request, "backup") {
			t.Errorf("%s: status %d, %s", request, status, body)
		}
	})
	if v, err := h.Get(t.Context(), secretKey); v != secretValue || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := h.Get(t.Context(), "other"); err != nil {
		t.Error(err)
	}
}

func TestAPasswordLetsIn(t *testing.T) {
	var log bytes.Buffer
	s, _ := secretSite(t, kvadmin.Options{Allow: kvadmin.Password("right"), Write: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s.json("GET", "", "", "unauthenticated", nil)
	s.header.Set("Authorization", "Bearer right")
	s.json("GET", "default", "", "", nil)
	s.header.Set("Authorization", "Basic YW5uOnJpZ2h0") // ann:right
	s.json("POST", "default/delete", `{"keys":["other"]}`, "", nil)
	if !strings.Contains(log.String(), "user=ann") || !strings.Contains(log.String(), "key=other") {
		t.Errorf("the log is %s", log.String())
	}
}

// An Allow that permits writes to one store only does not make the list of stores read-only.
func TestTheListOfAHostThatPermitsWritesIsNotReadOnly(t *testing.T) {
	for _, write := range []bool{true, false} {
		s := newSite(t, kvadmin.Options{Write: write, Allow: func(_ *http.Request, a kvadmin.Action) error {
			if a.Kind != kvadmin.Stores && a.Store != "default" {
				return errors.New("one store only")
			}
			return nil
		}})
		s.header.Set("Accept", "text/html")
		for _, path := range []string{"", "default"} {
			if _, _, body := s.do("GET", path, ""); strings.Contains(body, "read-only") == write {
				t.Errorf("Write %v, page %q: %s", write, path, body)
			}
		}
	}
}

func TestReadOnlyIsReadOnly(t *testing.T) {
	s, h := secretSite(t, kvadmin.Options{Allow: everybody, Values: true, Backup: true})
	s.eachAnswer([]string{"default", secretStore}, func(request string, status int, _ http.Header, body string) {
		if strings.HasPrefix(request, "POST") && (status != http.StatusForbidden || !strings.Contains(body, "read-only")) {
			t.Errorf("%s: status %d, %s", request, status, body)
		}
		if strings.Contains(body, "<form method=\"post\"") || strings.Contains(body, "textarea") {
			t.Errorf("%s: the page has a form for changes", request)
		}
	})
	if v, err := h.Get(t.Context(), secretKey); v != secretValue || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	if left, err := h.TTL(t.Context(), secretKey); left != 0 || err != nil {
		t.Errorf("%v, %v", left, err)
	}
	if n, err := h.Count(t.Context(), "*"); n != 2 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
}

func TestValuesAreHiddenByDefault(t *testing.T) {
	s, _ := secretSite(t, kvadmin.Options{Allow: everybody})
	s.file("app.db")
	s.eachAnswer([]string{"default", secretStore, "app.db"}, func(request string, status int, _ http.Header, body string) {
		if strings.Contains(body, secretValue) || strings.Contains(request, "backup") && status != http.StatusForbidden || strings.Contains(request, "/export") && status != http.StatusForbidden {
			t.Errorf("%s: status %d, %s", request, status, body)
		}
	})
	s.json("GET", "app.db/backup", "", "backup_off", nil)
	var value struct {
		Hidden bool
		Type   string
	}
	s.json("GET", "default/key?key="+secretKey, "", "", &value)
	if !value.Hidden || value.Type != "str" {
		t.Errorf("%+v", value)
	}
}

func TestHiddenKeysAreNowhere(t *testing.T) {
	hide := func(store, key string) bool { return strings.HasPrefix(key, "secret") }
	s, h := secretSite(t, kvadmin.Options{Allow: everybody, Values: true, Write: true, Backup: true, Hide: hide})
	file := s.file("app.db")
	s.fill(file, map[string]any{secretKey: secretValue})
	s.fill(h, map[string]any{"secret:a:b": secretValue, "secret:c": secretValue, "a": 1, "z": 2})
	s.eachAnswer([]string{"app.db"}, func(request string, status int, _ http.Header, body string) {
		if strings.Contains(body, secretKey) && !strings.Contains(request, secretKey) {
			t.Errorf("%s: status %d, %s", request, status, body)
		}
		if strings.Contains(body, secretValue) {
			t.Errorf("%s: status %d, %s", request, status, body)
		}
	})
	var count struct{ Count int }
	s.json("GET", "default/count", "", "", &count)
	var stat struct{ Keys *int }
	s.json("GET", "default", "", "", &stat)
	var top struct{ Scanned int }
	s.json("GET", "default/top", "", "", &top)
	if l := s.keys("default/keys"); l.names() != "a other z" || count.Count != 3 || stat.Keys != nil || top.Scanned != 3 {
		t.Errorf("%+v, %+v, %v, %+v", l, count, stat.Keys, top)
	}
	if l := s.keys("default/keys?limit=2"); l.names() != "a other" || l.Next != "other" {
		t.Errorf("%+v", l)
	}
	s.json("GET", "app.db/backup", "", "backup_off", nil)
	s.json("GET", "default/key?key="+secretKey, "", "not_found", nil)
	for i, path := range writes[:3] {
		s.json("POST", "default"+path, bodies[i], "refused", nil)
	}
	s.json("POST", "default/delete-matching", `{"pattern":"*"}`, "", nil)
	if n, err := h.Count(t.Context(), "*"); n != 3 || err != nil {
		t.Errorf("%d keys are left, %v", n, err)
	}
}

func TestChangesFromOtherSitesAreRefused(t *testing.T) {
	s, h := secretSite(t, kvadmin.Options{Allow: everybody, Write: true})
	for _, header := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}, {"Origin": {"null"}}} {
		s.header = header.Clone()
		s.header.Set("Accept", "application/json")
		for i, path := range writes {
			s.json("POST", "default"+path, bodies[i], "cross_origin", nil)
		}
		for _, f := range forms {
			s.header.Set("Content-Type", "application/x-www-form-urlencoded")
			s.json("POST", "default"+f.path, f.body, "cross_origin", nil)
		}
	}
	if n, err := h.Count(t.Context(), "*"); n != 2 || err != nil {
		t.Errorf("%d keys are left, %v", n, err)
	}
}

func TestEveryAnswerHasTheHeadersThatProtectIt(t *testing.T) {
	s, _ := secretSite(t, kvadmin.Options{Allow: everybody, Values: true, Write: true})
	check := func(request string, _ int, header http.Header, _ string) {
		policy := header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") ||
			header.Get("Cache-Control") != "no-store" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", request, header)
		}
	}
	s.eachAnswer([]string{"default", "nosuch"}, check)
	for _, name := range []string{"style.css", "pages.js", "icon.svg", "layout.html", "../kvadmin.go"} {
		status, header, _ := s.do("GET", "-/"+name, "")
		check(name, status, header, "")
		if (status == http.StatusOK) != (name != "layout.html" && !strings.Contains(name, "..")) {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

// A page of every value and key is the same text to a browser's parser: nothing of it is
// markup, and no character of it is invisible.
func TestNothingOfAKeyOrValueIsMarkup(t *testing.T) {
	s := newSite(t, kvadmin.Options{Allow: everybody, Values: true, Write: true})
	h := s.registry.Default()
	s.fill(h, map[string]any{})
	for i, text := range hostile {
		s.fill(h, map[string]any{text: text, fmt.Sprint("v", i): map[string]any{text: []any{text}}, fmt.Sprint("b", i): []byte(text)})
	}
	s.header.Set("Accept", "text/html")
	l := s.allKeys(h)
	paths := []string{"default", "default/top", "default?pattern=*t*", "default/watch"}
	for _, key := range l {
		paths = append(paths, "default/key?"+query("key", key), "default?"+query("prefix", key), "default/count?"+query("pattern", key), "default/top?"+query("prefix", key), "default/watch?"+query("pattern", key))
	}
	for _, path := range paths {
		_, _, body := s.do("GET", path, "")
		lower := strings.ToLower(body)
		if strings.Contains(lower, "<script>") || strings.Contains(lower, "<img") || strings.Contains(lower, "<svg onload") || strings.ContainsAny(body, "\x00\u202e\u2066\x1b") {
			t.Errorf("%.100s: the page is not safe", path)
		}
	}
}

// hostile are texts that are not what they seem.
var hostile = []string{
	"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "'-alert(1)-'", "javascript:alert(1)", "</textarea><script>alert(2)</script>", "</title><svg onload=alert(3)>",
	"a\x00b", "\u202etxt.exe", "\u2066x\u2069", "\x1b[31mred", "line\r\nbreak", "{{.}}", "`${alert(1)}`", "../../etc/passwd", "//evil.example/", "%00%2e%2e", "?key=x&a=b#c", "\u200b", " ", "-/style.css",
}

func (s *site) allKeys(h *extlibs.Handle) []string {
	s.Helper()
	keys, err := h.Keys(s.Context(), extlibs.ListOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return keys
}

// Every key can be shown, changed and deleted through the links and forms of its page.
func TestEveryKeyCanBeShownAndDeleted(t *testing.T) {
	s := newSite(t, kvadmin.Options{Allow: everybody, Values: true, Write: true})
	h := s.registry.Default()
	for _, text := range append(hostile, strings.Repeat("k", extlibs.MaxKeyBytes), strings.Repeat("😀", extlibs.MaxKeyBytes/4), strings.Repeat("a:", extlibs.MaxKeyBytes/2)) {
		s.fill(h, map[string]any{text: "x"})
		s.header = http.Header{"Accept": {"text/html"}}
		if status, _, body := s.do("GET", "default/key?"+query("key", text), ""); status != http.StatusOK || !strings.Contains(body, "&#34;x&#34;") {
			t.Errorf("%.50q: status %d, %.300s", text, status, body)
		}
		s.header.Set("Content-Type", "application/x-www-form-urlencoded")
		if status, _, body := s.do("POST", "default/expire?"+query("key", text), "ttl=1&unit=h"); status != http.StatusOK {
			t.Errorf("%.50q: status %d, %.300s", text, status, body)
		}
		if left, err := h.TTL(t.Context(), text); left < 59*time.Minute || err != nil {
			t.Errorf("%.50q: %v, %v", text, left, err)
		}
		if status, _, body := s.do("POST", "default/delete?"+query("key", text), "x=1"); status != http.StatusOK {
			t.Errorf("%.50q: status %d, %.300s", text, status, body)
		}
		if n, err := h.Count(t.Context(), "*"); n != 0 || err != nil {
			t.Errorf("%.50q: %d keys are left, %v", text, n, err)
		}
	}
}
