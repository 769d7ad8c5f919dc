// Command quickstart is the smallest Go host: it opens a store in a file, runs a script line
// by line and shows what each line did, closes the store, and opens it again to show what was
// stored.
//
//	go run ./examples/quickstart [-dir DIR]
//
// Run it twice: the second run continues where the first one ended.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/scripthost"
)

// line is a line of the script and what it shows.
type line struct{ code, about string }

// script is what a script does with its host's store.
var script = []line{
	{`kv.default.incr("runs")`, "a counter that survives the program"},
	{`kv.default.set("session:abc", {"user": "bob"}, ttl=3600)`, "any value, for an hour"},
	{`kv.default.get("session:abc", default={})`, "a copy of it"},
	{`kv.default.ttl("session:abc")`, "the seconds it has left"},
	{`kv.default.update("log", lambda l: l + ["hello"], default=[])`, "read, change and write atomically"},
	{`kv.default.keys("s*")`, "the keys that match, sorted"},
	{`kv.open(":memory:scratch").add("job:1", "mine")`, "a store in memory: true for the first caller"},
}

// afterwards is what is left once the store was closed and opened again.
var afterwards = []line{
	{`kv.default.get("runs")`, "still there: it was on disk before incr returned"},
	{`kv.default.get("log")`, "one hello for each run"},
	{`kv.open(":memory:scratch").get("job:1")`, "gone: it was in memory only"},
}

func main() {
	dir := flag.String("dir", filepath.Join(os.TempDir(), fmt.Sprintf("scriptling-kv-quickstart-%d", os.Getuid())), "`folder` of the store's file")
	flag.Parse()
	if err := os.MkdirAll(*dir, 0o700); err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(*dir, "quickstart.db")
	fmt.Printf("A script runs on the store %s\n\n", path)
	if err := host(path, script, os.Stdout); err != nil {
		log.Fatal(err)
	}
	fmt.Print("\nThe store is closed and opened again, as after a restart\n\n")
	if err := host(path, afterwards, os.Stdout); err != nil {
		log.Fatal(err)
	}
	fmt.Print(`
Run it again: the counts continue. Then:
  go run ./examples/runscript -store my.db FILE   run a script of your own
  ls examples/scripts                             one script per task: sessions, queues, locks, ...
  go run ./examples/httpserver                    requests that share a store
`)
}

// host is the life of a Go host: open the store, run the script, close.
func host(path string, script []line, w io.Writer) (err error) {
	if err := extlibs.InitKVStore(path); err != nil {
		return err
	}
	defer func() {
		if closeErr := extlibs.CloseKVStore(); err == nil {
			err = closeErr
		}
	}()

	var printed strings.Builder
	p, err := scripthost.New()
	if err != nil {
		return err
	}
	extlibs.RegisterRuntimeKVLibrary(p)
	p.SetOutputWriter(&printed)
	if _, err := scripthost.Eval(context.Background(), p, "import scriptling.runtime.kv as kv"); err != nil {
		return err
	}
	for _, l := range script {
		printed.Reset()
		if _, err := scripthost.Eval(context.Background(), p, "result = "+l.code+"\nprint(result)"); err != nil {
			return err
		}
		fmt.Fprintf(w, "  %s   # %s\n    %s", l.code, l.about, printed.String())
	}
	return nil
}
