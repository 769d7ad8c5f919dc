package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The row of a sustained load: new keys in random order, in durable batches. Each store has a
// process to itself, so that the bytes written and the memory are its own.

const (
	loadBatch = 5_000
	loadEnv   = "KVBENCH_LOAD" // what a child process loads, as JSON
)

func loadRows() []row {
	return []row{{"load", "a million new keys in random order, in durable batches of 5,000", load}}
}

// loading is what a child process does.
type loading struct {
	Store, Path string
	Batches     int
}

// loaded is what it found.
type loaded struct {
	Took, Longest      time.Duration
	Written, Anon, RSS int64 // bytes
	File               int64
}

func load(s *suite) {
	batches := s.million / loadBatch
	if text := os.Getenv("KVBENCH_LOAD_KEYS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			fmt.Fprintf(os.Stderr, "bench: KVBENCH_LOAD_KEYS is %q; give a number of keys\n", text)
			os.Exit(1)
		}
		batches = n / loadBatch
	}
	for _, name := range []string{oursBolt, badgerName, rawBolt} {
		if !s.wants(name) {
			continue
		}
		got := runLoad(loading{name, s.path("kv"), max(1, batches)})
		took := float64(got.Took)
		s.add(line{
			store: name, unit: duration, stat: stat{took, took, took}, allocs: -1,
			note: fmt.Sprintf("longest batch %s; %s written; peak memory %s, %s with mapped files; file %s",
				duration.format(float64(got.Longest)), bytes.format(float64(got.Written)), bytes.format(float64(got.Anon)), bytes.format(float64(got.RSS)), bytes.format(float64(got.File))),
		})
	}
}

// runLoad carries out a loading in a new process.
func runLoad(l loading) (got loaded) {
	cmd := exec.Command(must1(os.Executable()))
	cmd.Env = append(os.Environ(), loadEnv+"="+string(must1(json.Marshal(l))))
	cmd.Stderr = os.Stderr
	must(json.Unmarshal(must1(cmd.Output()), &got))
	return got
}

// loadChild carries out the loading that the environment describes, and reports whether there
// was one.
func loadChild() bool {
	text := os.Getenv(loadEnv)
	if text == "" {
		return false
	}
	var l loading
	must(json.Unmarshal([]byte(text), &l))
	var st interface {
		bulkFiller
		close()
	}
	switch l.Store {
	case oursBolt:
		st = openKV(l.Path)
	case badgerName:
		st = openBadger(l.Path)
	case rawBolt:
		st = openBolt(l.Path)
	}
	var anon, rss atomic.Int64
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				anon.Store(max(anon.Load(), procField("/proc/self/status", "RssAnon")))
				rss.Store(max(rss.Load(), procField("/proc/self/status", "VmRSS")))
			}
		}
	}()
	r := rand.New(rand.NewPCG(1, 2))
	keys, values := make([]string, loadBatch), make([]any, loadBatch)
	var got loaded
	began := time.Now()
	for range l.Batches {
		for i := range keys {
			n := r.Uint64()
			keys[i], values[i] = fmt.Sprintf("%016x", n), text16(int(n%1e10))
		}
		from := time.Now()
		st.fill(keys, values)
		got.Longest = max(got.Longest, time.Since(from))
	}
	st.close()
	got.Took = time.Since(began)
	close(stop)
	got.Written = procField("/proc/self/io", "write_bytes") - procField("/proc/self/io", "cancelled_write_bytes")
	got.Anon, got.RSS = anon.Load()<<10, rss.Load()<<10
	must(filepath.Walk(filepath.Dir(l.Path), func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			got.File += info.Size()
		}
		return err
	}))
	must(json.NewEncoder(os.Stdout).Encode(got))
	return true
}

// procField returns a number that Linux knows of this process, 0 elsewhere.
func procField(path, name string) int64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+":"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n
		}
	}
	return 0
}
