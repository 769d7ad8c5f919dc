//go:build linux && amd64

package robustness

import (
	"errors"
	"fmt"
	"io"

	"github.com/scriptling-kv/extlibs"
)

// fill sets small values until the file is full.
func (s *session) fill(w *writer, keys int) {
	for i := range 100_000 {
		c := change{Sets: map[string]string{}}
		for j := range w.batch {
			c.Sets[w.keyOf((i*24+j*7)%keys)] = w.value()
		}
		err := s.do(w.name, c)
		if errors.Is(err, extlibs.ErrFull) {
			return
		}
		s.must("set", err)
	}
	tell(note{Wrong: "the file never was full"})
}

func init() {
	// A file is full of small values, is emptied in one way or another, and takes sets again.
	programs["full small"] = func(dir string, args ...string) {
		s := start(dir, extlibs.MaxFileBytes(100<<10))
		s.look("w0")
		w := newWriter("w0")
		for round := range 2 {
			w.keys = 2000
			s.fill(w, w.keys)
			for range 12 {
				s.must("delete", s.do(w.name, w.delete()))
			}
			if w.random.IntN(2) == round {
				s.must("clear", s.do(w.name, change{Clear: true}))
			} else {
				for at := 0; at < w.keys; at += 200 {
					var keys []string
					for i := range 200 {
						keys = append(keys, fmt.Sprintf("%s/%03d", w.name, at+i))
					}
					s.must("delete many", s.do(w.name, change{Deletes: keys}))
				}
			}
			for range 4 {
				s.must("set", s.do(w.name, w.set()))
			}
		}
		s.close()
	}
	// A file is full of small values, and a call removes keys from all of its pages, which
	// needs more pages than there are.
	programs["full batches"] = func(dir string, args ...string) {
		s := start(dir, extlibs.MaxFileBytes(400<<10))
		s.look("w0")
		w := newWriter("w0")
		w.keys = 2000
		s.fill(w, w.keys)
		var keys []string
		for i := 0; i < w.keys; i += 4 {
			keys = append(keys, w.keyOf(i))
		}
		s.must("delete many", s.do(w.name, change{Deletes: keys}))
		for range 4 {
			s.must("set", s.do(w.name, w.set()))
		}
		s.close()
	}
	// A file is full of long keys, whose pages are not adjacent when it needs some, so that
	// it is rewritten.
	programs["full long keys"] = func(dir string, args ...string) {
		s := start(dir, extlibs.MaxFileBytes(400<<10))
		s.look("w0")
		w := newWriter("w0")
		w.keys, w.long, w.batch = 100, 1500, 3
		for round := range 2 {
			s.fill(w, w.keys)
			for range 10 {
				s.must("delete", s.do(w.name, w.delete()))
				if err := s.do(w.name, w.set()); err != nil && !errors.Is(err, extlibs.ErrFull) {
					s.must("set", err)
				}
			}
			if round > 0 {
				s.must("clear", s.do(w.name, change{Clear: true}))
			}
			for range 4 {
				s.must("delete", s.do(w.name, w.delete()))
			}
		}
		s.close()
	}
	// Batches in a file that is full, and backups meanwhile.
	programs["full backups"] = func(dir string, args ...string) {
		s := start(dir, extlibs.MaxFileBytes(100<<10))
		s.look("w0")
		w := newWriter("w0")
		s.fill(w, 2000)
		stop := s.meanwhile("backup", func() error { return s.store.Backup(ctx, io.Discard) })
		w.keys = 2000
		for range 12 {
			s.must("delete", s.do(w.name, w.delete()))
			if err := s.do(w.name, w.mixed()); err != nil && !errors.Is(err, extlibs.ErrFull) {
				s.must("mixed", err)
			}
		}
		stop()
		s.close()
	}
}
