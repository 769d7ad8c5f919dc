//go:build linux && amd64

package robustness

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// The name of a store's file while it is moved away, and the name of the store that
// replaces it.
const (
	movedName   = "kv.db.old"
	standInName = "kv.db.new"
)

// rename gives a file of the folder another name permanently, and without a file does
// nothing.
func (s *session) rename(from, to string) {
	dir := filepath.Dir(s.path)
	err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	folder, e := os.Open(dir)
	s.must("rename", errors.Join(err, e))
	s.must("rename", errors.Join(folder.Sync(), folder.Close()))
}

// readMoved is readStore for a user that finds the moved file, and gives it its
// name again. Its log lies where it was left.
func readMoved(dir string, at time.Time) (map[string]string, error) {
	path := filepath.Join(dir, "kv.db")
	if _, err := os.Stat(filepath.Join(dir, movedName)); err == nil {
		if err := os.Rename(filepath.Join(dir, movedName), path); err != nil {
			return nil, err
		}
	}
	return readStore(dir, at)
}

func init() {
	// Writes continue after one failed, and the store is not opened again.
	programs["passing errors"] = func(dir string, args ...string) {
		s := newSession(dir)
		s.registry = extlibs.NewRegistry(s.options...)
		s.reopen()
		s.look("w0")
		w := newWriter("w0")
		for range 24 {
			s.do(w.name, w.mixed())
		}
		s.registry.Close()
	}
	// The file is moved away under its store, and comes back.
	programs["moved"] = func(dir string, args ...string) {
		s := start(dir)
		s.look("w0")
		w := newWriter("w0")
		for range 3 {
			for range 4 {
				s.do(w.name, w.mixed())
			}
			s.rename("kv.db", movedName)
			for range 3 {
				s.do(w.name, w.mixed())
			}
			s.registry.Close()
			s.rename(movedName, "kv.db")
			s.reopen()
			s.look("w0")
		}
		s.close()
	}
	// A file is moved away after a crash, without its log; another store has its name
	// for a while.
	programs["stand-in"] = func(dir string, args ...string) {
		s := newSession(dir)
		s.rename("kv.db", movedName)
		s.must("open", s.open())
		for _, key := range []string{"a", "b", "c"} {
			s.must("set", s.store.Set(ctx, key, key, 0))
		}
		s.close()
		s.rename("kv.db", standInName)
		s.rename(movedName, "kv.db")
		s.must("open", s.open())
		s.look("w0", "w1")
		s.together(1, 4, (*writer).mixed)
		s.close()
	}
}
