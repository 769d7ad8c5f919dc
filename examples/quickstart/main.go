// Command quickstart is a small Go host: it opens a store in a file, runs the
// example scripts on it, closes it, and opens it again to see what is left.
//
//	go run ./examples/quickstart [-dir DIR]
//
// Run it twice: the second run finds what the first one stored.
package main

import (
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/stdlib"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/examples/scripts"
)

// visits counts the rounds that this store has seen, and shows what is in it.
const visits = `
import scriptling.runtime.kv as kv

n = kv.default.incr("quickstart:rounds")
print("this store has seen", n, "round(s); keys at the start:", kv.default.count() - 1)
`

func main() {
	dir := flag.String("dir", filepath.Join(os.TempDir(), fmt.Sprintf("scriptling-kv-quickstart-%d", os.Getuid())), "`folder` of the store's file")
	flag.Parse()
	if err := os.MkdirAll(*dir, 0o700); err != nil {
		log.Fatal(err)
	}
	// The scripts name their files without a folder.
	if err := os.Chdir(*dir); err != nil {
		log.Fatal(err)
	}
	for round := 1; round <= 2; round++ {
		fmt.Printf("== round %d: open %s\n", round, filepath.Join(*dir, "default.db"))
		if err := runAll(); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("== round %d: closed\n\n", round)
	}
}

// runAll is the life of a host: open the default store, run scripts, close.
func runAll() (err error) {
	if err := extlibs.InitKVStore("default.db"); err != nil {
		return err
	}
	defer func() {
		if closeErr := extlibs.CloseKVStore(); err == nil {
			err = closeErr
		}
	}()
	if err := runScript(visits); err != nil {
		return err
	}
	names, err := fs.Glob(scripts.FS, "*.py")
	if err != nil {
		return err
	}
	for _, name := range names {
		source, err := scripts.FS.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Println("--", name)
		if err := runScript(string(source)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// runScript runs a script in a fresh interpreter. Only the stores outlive it.
func runScript(source string) error {
	p := scriptling.New()
	stdlib.RegisterAll(p)
	extlibs.RegisterRuntimeLibraryAll(p, nil)
	_, err := p.Eval(source)
	return err
}
