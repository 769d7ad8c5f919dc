package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

// web starts web as a process, and returns the URL that it prints.
func (c *cli) web(args ...string) (address string, end func() (status int)) {
	c.Helper()
	cmd, stderr := c.processWithOutput(append([]string{"web"}, args...)...)
	line, err := cmd.stdout.ReadString('\n')
	if err != nil {
		text, _ := io.ReadAll(stderr)
		c.Fatalf("%q, %v, %s", line, err, text)
	}
	return strings.TrimSpace(line), func() int {
		cmd.Process.Signal(os.Interrupt) // Wait reports what came of it
		io.Copy(io.Discard, stderr)
		cmd.Wait()
		return cmd.ProcessState.ExitCode()
	}
}

// webPage gets a page as a browser.
func webPage(t *testing.T, b *http.Client, url string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	return answerOf(t, b, r)
}

func answerOf(t *testing.T, b *http.Client, r *http.Request) (status int, body string) {
	t.Helper()
	answer, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// isShownAs fails the test unless the one store of the pages is a file, by its own path.
func (c *cli) isShownAs(b *http.Client, base, file string) {
	c.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		c.Fatal(err)
	}
	_, body := webPage(c.T, b, base+"?format=json")
	var list struct {
		Stores []struct{ ID, Name, Kind string }
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Stores) != 1 {
		c.Fatalf("%v: %s", err, body)
	}
	if s := list.Stores[0]; s.ID != file || s.Name != path || s.Kind != "file" {
		c.Errorf("%s is shown as %+v", path, s)
	}
}

func TestWebShowsAStoreToTheFirstBrowserOnly(t *testing.T) {
	c := newCLI(t)
	c.ok("set", "app.db", "user:1", `"secret"`)
	url, end := c.web("app.db")
	base, _, ok := strings.Cut(url, "?token=")
	if !ok || !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Fatal(url)
	}
	// Without the token, with another one, and by another name there is nothing.
	stranger := browser(t)
	for _, wrong := range []string{base, base + "?token=", base + "?token=x", base + "app.db/keys", strings.Replace(url, "/kv/", "/", 1) + "x"} {
		if status, body := webPage(t, stranger, wrong); status != http.StatusForbidden || strings.Contains(body, "app.db") {
			t.Errorf("%s: status %d, %s", wrong, status, body)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	if status, body := answerOf(t, stranger, r); status != http.StatusMisdirectedRequest || strings.Contains(body, "app.db") {
		t.Errorf("by another name: status %d, %s", status, body)
	}
	first := browser(t)
	if status, body := webPage(t, first, url); status != http.StatusOK || !strings.Contains(body, "app.db") {
		t.Errorf("the first browser: status %d, %s", status, body)
	}
	c.isShownAs(first, base, "app.db")
	if status, body := webPage(t, first, base+"app.db/keys?format=json"); status != http.StatusOK || !strings.Contains(body, `"user:1"`) {
		t.Errorf("its next page: status %d, %s", status, body)
	}
	if status, body := webPage(t, first, base+"app.db/key?format=json&key=user:1"); status != http.StatusOK || !strings.Contains(body, `"secret"`) {
		t.Errorf("a value: status %d, %s", status, body)
	}
	if status, body := webPage(t, first, base+"default?format=json"); status != http.StatusForbidden {
		t.Errorf("another store: status %d, %s", status, body)
	}
	// The token works once.
	if status, _ := webPage(t, browser(t), url); status != http.StatusForbidden {
		t.Errorf("a second browser: status %d", status)
	}
	// Nothing is changed without --write.
	r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, base+"app.db/delete", strings.NewReader(`{"keys":["user:1"]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	if status, body := answerOf(t, first, r); status != http.StatusForbidden {
		t.Errorf("a change: status %d, %s", status, body)
	}
	// While no page is open, a program gets the file.
	stores := extlibs.NewRegistry()
	if _, err := stores.Open(t.Context(), "app.db"); err != nil {
		t.Error(err)
	}
	if err := stores.Close(); err != nil {
		t.Error(err)
	}
	if status := end(); status != exitInterrupted {
		t.Errorf("exit status %d", status)
	}
	c.prints("\"secret\"\n", "get", "app.db", "user:1")
}

func TestWebShowsServersAndCopies(t *testing.T) {
	c := newCLI(t)
	t.Setenv("TMPDIR", t.TempDir())
	r := extlibs.NewRegistry()
	defer r.Close()
	h, err := r.Open(context.Background(), "app.db")
	if err == nil {
		err = h.Set(t.Context(), "of a copy", 1, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	url, end := c.web("app.db", "--live")
	c.noTemporaries()
	first := browser(t)
	webPage(t, first, url)
	base, _, _ := strings.Cut(url, "?")
	if status, body := webPage(t, first, base+"app.db/keys?format=json"); status != http.StatusOK || !strings.Contains(body, "of a copy") {
		t.Errorf("status %d, %s", status, body)
	}
	c.isShownAs(first, base, "app.db")
	for _, page := range []string{base, base + "app.db"} {
		if status, body := webPage(t, first, page); status != http.StatusOK || strings.Contains(body, ".kv-live") {
			t.Errorf("%s: status %d, %s", page, status, body)
		}
	}
	end()
	c.fails(exitUsage, "--listen", "web", "a.db", "--listen", "0.0.0.0:8080")
	c.fails(exitUsage, "--listen", "web", "a.db", "--listen", "example.com:8080")
	c.fails(exitUsage, "not both", "web", "app.db", "--live", "--write")
	c.fails(exitFailed, "no file", "web", "nosuch.db")
}

func TestWebPermitsChangesWithWrite(t *testing.T) {
	c := newCLI(t)
	c.ok("set", "app.db", "k", "1")
	url, end := c.web("app.db", "--write")
	first := browser(t)
	webPage(t, first, url)
	base, _, _ := strings.Cut(url, "?")
	c.isShownAs(first, base, "app.db")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"app.db/delete", strings.NewReader(`{"keys":["k"]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	if status, body := answerOf(t, first, r); status != http.StatusOK {
		t.Errorf("a change: status %d, %s", status, body)
	}
	r = r.Clone(t.Context()) // a page of another site sends it
	r.Body = io.NopCloser(strings.NewReader(`{"keys":["k"]}`))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if status, body := answerOf(t, first, r); status != http.StatusForbidden {
		t.Errorf("a change from another site: status %d, %s", status, body)
	}
	end()
	c.prints("0\n", "count", "app.db")
}
