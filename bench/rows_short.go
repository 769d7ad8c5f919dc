package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// The row of short processes: each opens a store, sets one key and ends. The parent measures
// what a process has written, and its system calls, so that SQLite, which has no package here,
// is measured by its command.

const (
	shortEnv  = "KVBENCH_SHORT" // what a child process does, as JSON
	sqlite    = "SQLite"
	shortSync = 3     // syncs of a process: the goal
	shortSize = 100e3 // bytes
)

func shortRows() []row {
	return []row{{"short", "a process that opens a store, sets one key durably and closes the store", shortProcesses}}
}

// shortRun is what a child process does: it prints the nanoseconds that it takes.
type shortRun struct{ Store, Path string }

// shortChild carries out the shortRun that the environment describes, and reports whether
// there was one.
func shortChild() bool {
	text := os.Getenv(shortEnv)
	if text == "" {
		return false
	}
	var r shortRun
	must(json.Unmarshal([]byte(text), &r))
	began := time.Now()
	switch r.Store {
	case oursBolt:
		kv := openKV(r.Path)
		kv.set("key", text16(0))
		kv.close()
	case rawBolt:
		db := openBolt(r.Path)
		db.set("key", text16(0))
		db.close()
	case buntDisk:
		db := newBunt(r.Path)
		db.set("key", text16(0))
		must(db.Close())
	case badgerName:
		db := openBadger(r.Path)
		db.set("key", text16(0))
		db.close()
	}
	fmt.Println(time.Since(began).Nanoseconds())
	return true
}

func shortProcesses(s *suite) {
	stores := []string{oursBolt, rawBolt, buntDisk, badgerName}
	if _, err := exec.LookPath("sqlite3"); err == nil {
		stores = append(stores, sqlite)
	}
	kinds := []string{", new", ", existing"}
	took, written := map[string][]float64{}, map[string][]float64{}
	for range s.rounds {
		for _, store := range stores {
			if !s.wants(store) {
				continue
			}
			path := s.path("file")
			for _, kind := range kinds {
				t, w := runShort(shortCommand(store, path), store)
				took[store+kind], written[store+kind] = append(took[store+kind], t), append(written[store+kind], w)
			}
			must(os.RemoveAll(filepath.Dir(path)))
		}
	}
	for _, kind := range kinds {
		for _, store := range stores {
			name := store + kind
			if len(took[name]) == 0 {
				continue
			}
			calls := shortSyncs(s, store, kind == kinds[1])
			note := bytes.format(summarize(written[name]).median) + " written"
			if calls >= 0 {
				note = fmt.Sprintf("%d syncs, %s", calls, note)
			}
			if store == sqlite {
				note += "; the time includes the start of its command"
			}
			s.add(line{store: name, unit: duration, stat: summarize(took[name]), allocs: -1, ratio: medianRatio(took[name], took[rawBolt+kind]), note: note})
			if store == oursBolt && calls >= 0 {
				s.atMost("syncs of a short process"+kind+" store", shortSync, float64(calls), count)
				s.atMost("bytes that it writes", shortSize, math.Max(1, summarize(written[name]).median), bytes)
			}
		}
	}
}

func shortCommand(store, path string) *exec.Cmd {
	if store == sqlite {
		return exec.Command("sqlite3", path, "PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID; INSERT OR REPLACE INTO kv VALUES ('key', '"+text16(0)+"');")
	}
	cmd := exec.Command(must1(os.Executable()))
	cmd.Env = append(os.Environ(), shortEnv+"="+string(must1(json.Marshal(shortRun{store, path}))))
	return cmd
}

// runShort returns the nanoseconds that a process took, and the bytes that it wrote.
func runShort(cmd *exec.Cmd, store string) (took, written float64) {
	cmd.Stderr = os.Stderr
	began := time.Now()
	out := must1(cmd.Output())
	took = float64(time.Since(began))
	if store != sqlite {
		took = 0
		must1(fmt.Sscan(string(out), &took))
	}
	return took, float64(writtenBy(cmd.ProcessState))
}

// syncCall is a line of strace about a system call that begins.
var syncCall = regexp.MustCompile(`(?m)^\d+ +(fsync|fdatasync|msync|sync_file_range|syncfs)\(`)

// shortSyncs counts the syncs of one process in a new store or an existing one. It returns a
// negative number where there is no strace.
func shortSyncs(s *suite, store string, existing bool) int {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return -1
	}
	path, trace := s.path("file"), s.path("trace")
	if existing {
		runShort(shortCommand(store, path), store)
	}
	cmd := shortCommand(store, path)
	traced := exec.Command(strace, append([]string{"-f", "-qq", "-e", "trace=fsync,fdatasync,msync,sync_file_range,syncfs", "-o", trace}, cmd.Args...)...)
	traced.Env = cmd.Env
	if traced.Run() != nil { // not permitted, as in some containers
		return -1
	}
	return len(syncCall.FindAll(must1(os.ReadFile(trace)), -1))
}
