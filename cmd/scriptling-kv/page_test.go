package main

import (
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

	"github.com/alicebob/miniredis/v2"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

const page = "../../docs/command.md"

// The sessions of a page run in one folder, one after the other. "..." matches
// any text in a line, and any lines where it is alone.
func TestTheSessionsOfThePageShowWhatHappens(t *testing.T) {
	kvtest.OnceIn(t, 3)
	for _, page := range []string{page, "../../docs/operating.md", "../../docs/coming-from.md"} {
		t.Run(filepath.Base(page), func(t *testing.T) { showSessions(t, page) })
	}
}

// asShell puts this command on the path and goes to a new folder.
func asShell(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the page is for a Unix shell")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "scriptling-kv")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv(asCommand, "1")
	t.Chdir(t.TempDir())
}

func showSessions(t *testing.T, page string) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	server := miniredis.RunT(t)
	asShell(t)
	for i, block := range strings.Split(string(text), "```console\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		var want, got strings.Builder
		for line := range strings.Lines(block) {
			want.WriteString(line)
			command, is := strings.CutPrefix(line, "$ ")
			if !is {
				continue
			}
			out, _ := exec.Command("sh", "-c", strings.ReplaceAll(command, "localhost:6379", server.Addr())).CombinedOutput() // the text says how it ended
			fmt.Fprint(&got, line, string(out))
		}
		pattern := regexp.QuoteMeta(want.String())
		pattern = strings.ReplaceAll(pattern, "\n\\.\\.\\.\n", "\n(?s:.*)\n")
		pattern = strings.ReplaceAll(pattern, `\.\.\.`, ".*")
		if !regexp.MustCompile("^" + pattern + "$").MatchString(got.String()) {
			t.Errorf("session %d is\n%s\nand not\n%s", i+1, got.String(), want.String())
		}
	}
}

// The commands of the page for a running host work, with the address and the socket of one.
func TestTheCommandsOfThePageReadARunningHost(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, all())
	if err := h.Set(t.Context(), "user:1", 1, 0); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/kv/", h.handler)
	mux.Handle("/admin/", http.StripPrefix("/admin", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/debug/kv" + r.URL.Path
		h.handler.ServeHTTP(w, r)
	})))
	asShell(t)
	l, err := net.Listen("unix", "app.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, mux)
	_, block, _ := strings.Cut(string(text), "```sh\nexport SCRIPTLING_KV_TOKEN=...")
	block, _, _ = strings.Cut(block, "```")
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(block) {
		if !strings.HasPrefix(line, "scriptling-kv ") {
			continue
		}
		n++
		command := strings.NewReplacer("http://localhost:8080/debug/kv/default", h.url, "http://localhost:8080/debug/kv/", strings.TrimSuffix(h.url, "default"), "/run/app.sock", dir+"/app.sock").Replace(line)
		want := "user:1"
		switch {
		case strings.Contains(line, " stores "):
			want = "default"
		case strings.Contains(line, " watch "):
			command, want = strings.TrimSpace(command)+" --timeout 50ms", "watching"
		}
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if n != 5 {
		t.Errorf("%d commands were found", n)
	}
}

// The script of the page keeps the newest seven backups, each of them a store, and ends
// before it removes one where the store cannot be backed up.
func TestTheBackupScriptOfThePageKeepsSeven(t *testing.T) {
	kvtest.OnceIn(t, 3)
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(text), "```sh\n#!/bin/sh\n")
	script, _, _ = strings.Cut(script, "```")
	asShell(t)
	for old, own := range map[string]string{"/srv/app/": "", "cd /var/backups/app": "dir=$PWD; cd backups; store=$dir/$store"} {
		if !strings.Contains(script, old) {
			t.Fatalf("the script lacks %s", old)
		}
		script = strings.ReplaceAll(script, old, own)
	}
	run := func(script string) string {
		out, err := exec.Command("sh", "-c", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, script, out)
		}
		return string(out)
	}
	run("mkdir backups")
	for i := range 9 {
		run(fmt.Sprintf("scriptling-kv set app.db n %d", i))
		run(script)
	}
	files, err := filepath.Glob("backups/*")
	if err != nil || len(files) != 7 {
		t.Fatalf("%v: %q", err, files)
	}
	for i, file := range files {
		if got, want := run("scriptling-kv get "+file+" n"), fmt.Sprintln(i+2); got != want {
			t.Errorf("backup %d holds %q, want %q", i, got, want)
		}
	}
	if out, err := exec.Command("sh", "-c", "rm app.db; "+script).CombinedOutput(); err == nil {
		t.Errorf("without a store it succeeds: %s", out)
	}
	if left, _ := filepath.Glob("backups/*"); len(left) != 7 {
		t.Errorf("it removed backups: %q", left)
	}
}

func TestThePageHasEachCommandInASessionAndEachStatus(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range newRoot().Commands() {
		if name := cmd.Name(); name != "help" && name != "completion" && !strings.Contains(string(text), "$ scriptling-kv "+name+" ") {
			t.Errorf("there is no session with %s", name)
		}
	}
	for _, status := range []int{0, exitFailed, exitUsage, exitNoKey, exitDamaged, exitIncomplete, exitInterrupted} {
		if !strings.Contains(string(text), fmt.Sprintf("\n| %d | ", status)) {
			t.Errorf("status %d is not in the table", status)
		}
	}
}
