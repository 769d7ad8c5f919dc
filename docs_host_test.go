package extlibs_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The page's files become a module beside this repository, and its commands run in
// their order: the module is made, its tests pass, and the host answers what the page
// shows.
func TestTheHostOfThePageIsBuiltAndAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a module")
	}
	if runtime.GOOS == "windows" {
		t.Skip("the page is for a Unix shell")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	t.Parallel()
	const addr = "127.0.0.1:8080"
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	where := strings.NewReplacer(addr, free.Addr().String(), "../extlibs", top)
	free.Close()

	dir := filepath.Join(t.TempDir(), "host")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	shell := func(script string) ([]byte, error) {
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod -vet=off")
		return cmd.CombinedOutput()
	}
	files := map[string]string{}
	var setup, session string
	for _, b := range blocks(t, "docs/host-from-nothing.md") {
		switch {
		case b.language == "go" && strings.Contains(b.text, "func main()"):
			files["main.go"] = b.text
		case b.language == "go":
			files["host_test.go"] = b.text
		case b.language == "python":
			files["handlers.py"] = b.text
		case b.language == "console":
			session = where.Replace(b.text)
		default:
			for line := range strings.Lines(b.text) {
				if strings.HasPrefix(line, "go mod ") || strings.HasPrefix(line, "go test ") {
					setup += where.Replace(line)
				}
			}
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(where.Replace(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := shell("set -e\n" + setup + "go vet .\ngo build -o host ."); err != nil || len(files) != 3 || strings.Count(setup, "\n") != 6 {
		t.Fatalf("%v\n%s\n%s", err, setup, out)
	}

	var log bytes.Buffer
	host := exec.Command(filepath.Join(dir, "host"))
	host.Dir, host.Env, host.Stderr = dir, append(os.Environ(), "KV_PASSWORD=secret"), &log
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- host.Wait() }()
	defer host.Process.Kill()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get(where.Replace("http://" + addr + "/debug/kv/"))
		if err == nil {
			resp.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not answer: %v\n%s", err, &log)
		}
	}
	var script, want strings.Builder
	for line := range strings.Lines(session) {
		if command, is := strings.CutPrefix(line, "$ "); is {
			fmt.Fprint(&script, command)
		} else {
			want.WriteString(line)
		}
	}
	out, err := shell(script.String())
	got := regexp.MustCompile(`}\n?`).ReplaceAllString(string(out), "}")
	if wanted := regexp.MustCompile(`}\n?`).ReplaceAllString(want.String(), "}"); err != nil || got != wanted {
		t.Errorf("the session prints %q (%v), want %q", got, err, wanted)
	}
	host.Process.Signal(os.Interrupt)
	select {
	case err := <-ended:
		if err != nil || log.Len() > 0 {
			t.Errorf("it ended with %v\n%s", err, &log)
		}
	case <-time.After(time.Minute):
		t.Error("it does not end")
	}
}
