package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

const (
	httpClients = 8
	httpNoStore = "no script and no store"
	httpExample = "./examples/httpserver"
	libraryRoot = ".."
)

// httpRows are what a user of a server with scripts sees. They are measured where
// the example can be built: in the folder of this program, with Go on PATH.
func httpRows() []row {
	_, err := exec.LookPath("go")
	if _, noExample := os.Stat(filepath.Join(libraryRoot, httpExample)); err != nil || noExample != nil {
		return nil
	}
	return []row{
		{
			name:  "http/get",
			title: "request to examples/httpserver whose script reads a value, 8 clients on the same machine",
			run:   func(s *suite) { httpRequests(s, http.MethodGet, "/reports") },
		},
		{
			name:  "http/incr",
			title: "request to examples/httpserver whose script counts it, 8 clients on the same machine",
			run:   func(s *suite) { httpRequests(s, http.MethodPost, "/visits") },
		},
	}
}

// httpRequests sends requests of one kind. A path that no script serves is the
// baseline: what net/http, the client and the kernel take.
func httpRequests(s *suite, method, path string) {
	if s.server == "" {
		s.server = filepath.Join(must1(os.MkdirTemp(s.tmp, "http")), "httpserver")
		build := exec.Command("go", "build", "-o", s.server, httpExample)
		build.Dir, build.Stderr = libraryRoot, os.Stderr
		must(build.Run())
	}
	memory, stop := startHTTP(s.server, "")
	defer stop()
	durable, stop := startHTTP(s.server, s.path("http.db"))
	defer stop()

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: httpClients}}
	defer client.CloseIdleConnections()
	run := func(url string, status int) func(n int) {
		return func(n int) {
			parallel(httpClients, n, func(_, _ int) { must(request(client, method, url, status)) })
		}
	}
	s.turns(httpNoStore, s.diskSlice,
		subject{name: ours, run: run(memory+path, http.StatusOK)},
		subject{name: oursBolt, run: run(durable+path, http.StatusOK)},
		subject{name: httpNoStore, run: run(memory+"/nothing", http.StatusNotFound)},
	)
	for i := range s.lines {
		if l := &s.lines[i]; l.row == s.row.name {
			l.allocs = -1 // the client's own
			l.note = fmt.Sprintf("%.0f requests/s", 1e9/l.stat.median)
		}
	}
}

func request(client *http.Client, method, url string, status int) error {
	r, err := http.NewRequestWithContext(background, method, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != status {
		return fmt.Errorf("%s %s: %s", method, url, response.Status)
	}
	return nil
}

var listening = regexp.MustCompile(`listening on (http://\S+)`)

// startHTTP starts the example on a free port. An empty store is one in memory.
func startHTTP(server, store string) (url string, stop func()) {
	cmd := exec.Command(server, "-addr", "127.0.0.1:0", "-store", store)
	said := must1(cmd.StderrPipe())
	must(cmd.Start())
	lines := bufio.NewScanner(said)
	for url == "" && lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
		}
	}
	if url == "" {
		must(errors.Join(errors.New("the server did not start"), cmd.Wait()))
	}
	go io.Copy(io.Discard, said)
	return url, func() {
		must(cmd.Process.Signal(os.Interrupt))
		must(cmd.Wait())
	}
}
