//go:build linux && amd64

package robustness

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/diskstore"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/internal/testoption"
	"github.com/scriptling-kv/extlibs/tests/robustness/powercut"
	bolt "go.etcd.io/bbolt"
)

func tell(n note) {
	text, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	powercut.Tell(string(text))
}

// inParts returns an option that has checkpoints, and replays if args ask for it too, take
// as many transactions as they can, the log replaced by a larger one soon, and calls on several keys
// planned apart or written to segments of the log.
func inParts(args []string) extlibs.Option {
	var parts diskstore.Parts
	for _, arg := range args {
		switch arg {
		case "checkpoints in parts":
			parts.Transaction = 1
		case "replay in parts":
			parts.Memtable = 1
		case "apart":
			parts.ApartKeys, parts.TableBytes = 1, 1
		case "segments":
			parts.ApartKeys, parts.Segment = 1, 1
		case "a large file":
			parts.LargeLogs = true
		}
	}
	return testoption.Parts(parts).(extlibs.Option)
}

// session is a program that uses a store, and tells what it does.
type session struct {
	path     string
	options  []extlibs.Option
	registry *extlibs.Registry
	store    *extlibs.Handle
}

// start opens a store as the first thing that a program does.
func start(dir string, options ...extlibs.Option) *session {
	s := newSession(dir, options...)
	s.must("open", s.open())
	return s
}

func newSession(dir string, options ...extlibs.Option) *session {
	powercut.Enter()
	// A small log, so that a few writes make a checkpoint.
	options = append([]extlibs.Option{extlibs.LogBytes(1)}, options...)
	return &session{path: filepath.Join(dir, "kv.db"), options: options}
}

// must ends the program, and so the test, if err is not nil.
func (s *session) must(call string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", call, err)
		os.Exit(1)
	}
}

func (s *session) open() (err error) {
	s.registry = extlibs.NewRegistry(s.options...)
	s.store, err = s.registry.Open(ctx, s.path)
	return err
}

func (s *session) close() {
	s.must("close", s.registry.Close())
}

// reopen closes the store and opens it, again and again while that fails.
func (s *session) reopen() {
	s.registry.Close()
	err := s.open()
	for range 3 {
		if err != nil {
			s.registry.Close()
			err = s.open()
		}
	}
	s.must("open", err)
}

// look reports what the store has of each writer.
func (s *session) look(writers ...string) {
	for _, w := range writers {
		items, err := s.store.Items(ctx, extlibs.ListOptions{Pattern: w + "/*"})
		s.must("items", err)
		seen := map[string]string{}
		for _, i := range items {
			seen[i.Key] = i.Value.(string)
		}
		tell(note{Writer: w, Seen: seen, Looked: true})
	}
}

// do makes a change and tells how it went.
func (s *session) do(writer string, c change) error {
	return s.doBy(writer, c, func() error { return s.apply(c) })
}

// doBy is do with a call that makes the change.
func (s *session) doBy(writer string, c change, call func() error) error {
	tell(note{Writer: writer, Begin: &c})
	err := call()
	end := done
	if errors.Is(err, extlibs.ErrCommitUnknown) {
		end = unknown
	} else if err != nil {
		end = failed
	}
	tell(note{Writer: writer, End: end})
	return err
}

func (s *session) apply(c change) error {
	switch {
	case c.Clear:
		return s.store.Clear(ctx)
	case len(c.Deletes) == 1:
		_, err := s.store.Delete(ctx, c.Deletes[0])
		return err
	case len(c.Deletes) > 0:
		_, err := s.store.DeleteMany(ctx, c.Deletes)
		return err
	case len(c.Sets) == 1:
		for key, value := range c.Sets {
			return s.store.Set(ctx, key, value, c.TTL)
		}
	}
	values := map[string]any{}
	for key, value := range c.Sets {
		values[key] = value
	}
	return s.store.SetMany(ctx, values, c.TTL)
}

// writer changes keys that only it writes.
type writer struct {
	name   string
	random *rand.Rand
	n      int
	keys   int
	long   int // bytes that keys have more, times up to 11
	batch  int // keys of a call of fill
}

func newWriter(name string) *writer {
	return &writer{name: name, random: kvtest.ProcessRand(name), keys: 24, batch: 24}
}

func (w *writer) key() string { return w.keyOf(w.random.IntN(w.keys)) }

// keyOf returns the key of a number, which has up to some thousand bytes more if the writer
// has long keys.
func (w *writer) keyOf(n int) string {
	return fmt.Sprintf("%s/%03d", w.name, n) + strings.Repeat("k", w.long*(n*7%12))
}

// value is one that is nowhere else, mostly short, sometimes of several pages.
func (w *writer) value() string {
	w.n++
	size := 1 + w.random.IntN(30)
	if w.random.IntN(8) == 0 {
		size = w.random.IntN(1500)
	}
	return strings.Repeat(fmt.Sprintf("%s-%d-%x ", w.name, w.n, w.random.Uint32()), size/8+1)
}

func (w *writer) set() change { return change{Sets: map[string]string{w.key(): w.value()}} }

func (w *writer) setMany() change {
	sets := map[string]string{}
	for range 2 + w.random.IntN(12) {
		sets[w.key()] = w.value()
	}
	return change{Sets: sets}
}

func (w *writer) delete() change {
	deletes := map[string]bool{}
	for range 1 + w.random.IntN(3) {
		deletes[w.key()] = true
	}
	return change{Deletes: slices.Sorted(maps.Keys(deletes))}
}

func (w *writer) withTTL(c change, ttl time.Duration) change {
	c.TTL = ttl
	return c
}

// mixed is any of the above.
func (w *writer) mixed() change {
	switch w.random.IntN(6) {
	case 0, 1:
		return w.setMany()
	case 2:
		return w.delete()
	}
	return w.set()
}

// together lets writers make some changes each, at the same time.
func (s *session) together(writers, changes int, next func(*writer) change) {
	var wait sync.WaitGroup
	for i := range writers {
		wait.Go(func() {
			w := newWriter(fmt.Sprintf("w%d", i))
			for range changes {
				s.do(w.name, next(w))
			}
		})
	}
	wait.Wait()
}

func names(writers int) (names []string) {
	for i := range writers {
		names = append(names, fmt.Sprintf("w%d", i))
	}
	return names
}

// meanwhile runs a call over and over until stop is called.
func (s *session) meanwhile(name string, call func() error) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			default:
			}
			s.must(name, call())
		}
	}()
	return func() { close(end); <-ended }
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func init() {
	// "set", number of writers, changes of each: plain writes, then an orderly end.
	for name, next := range map[string]func(*writer) change{
		"set":      (*writer).set,
		"set many": (*writer).setMany,
		"mixed":    (*writer).mixed,
	} {
		programs[name] = func(dir string, args ...string) {
			s := start(dir, inParts(args[2:]))
			s.look(names(number(args[0]))...)
			s.together(number(args[0]), number(args[1]), next)
			s.close()
		}
	}
	programs["clear"] = func(dir string, args ...string) {
		s := start(dir, inParts(args))
		s.look("w0")
		w := newWriter("w0")
		for i := range 24 {
			c := w.setMany()
			if i%5 == 4 {
				c = change{Clear: true}
			}
			s.do(w.name, c)
		}
		s.close()
	}
	programs["expiry"] = func(dir string, args ...string) {
		s := start(dir, extlibs.SweepInterval(time.Millisecond))
		s.look("w0", "w1")
		s.together(2, 24, func(w *writer) change {
			if w.random.IntN(4) == 0 {
				time.Sleep(time.Duration(w.random.IntN(8)) * time.Millisecond)
			}
			return w.withTTL(w.mixed(), time.Duration(1+w.random.IntN(12))*time.Millisecond)
		})
		time.Sleep(15 * time.Millisecond)
		s.close()
	}
	programs["compact"] = func(dir string, args ...string) {
		s := start(dir, inParts(args))
		s.look("w0", "w1")
		stop := s.meanwhile("compact", func() error { return s.store.Compact(ctx) })
		s.together(2, 10, (*writer).mixed)
		stop()
		s.close()
	}
	programs["backup"] = func(dir string, args ...string) {
		s := start(dir, inParts(args))
		s.look("w0", "w1")
		stop := s.meanwhile("backup", func() error { return s.store.Backup(ctx, io.Discard) })
		s.together(2, 10, (*writer).mixed)
		stop()
		s.close()
	}
	programs["interval"] = func(dir string, args ...string) {
		s := start(dir, extlibs.Durability(extlibs.Interval(intervalOfTests)), inParts(args))
		s.look("w0")
		w := newWriter("w0")
		for range 120 {
			if w.random.IntN(4) == 0 {
				time.Sleep(time.Duration(w.random.IntN(20)) * time.Millisecond)
			}
			s.do(w.name, w.mixed())
		}
		s.close()
		tell(note{Writer: "w0", Synced: true})
	}
	// The whole log that stores have without an option.
	programs["large log"] = func(dir string, args ...string) {
		s := start(dir, extlibs.LogBytes(0))
		s.look("w0", "w1")
		s.together(2, 12, (*writer).mixed)
		s.close()
	}
	programs["read"] = func(dir string, args ...string) {
		s := start(dir, extlibs.ReadOnly())
		s.look(names(number(args[0]))...)
		if err := s.store.Set(ctx, "w0/000", "no", 0); !errors.Is(err, extlibs.ErrReadOnly) {
			tell(note{Wrong: fmt.Sprintf("a set of a read-only store: %v", err)})
		}
		s.must("backup", s.store.Backup(ctx, io.Discard))
		s.close()
	}
	// A file that takes no more, until something is deleted.
	programs["full"] = func(dir string, args ...string) {
		s := start(dir, extlibs.MaxFileBytes(80<<10))
		s.look("w0")
		w := newWriter("w0")
		w.keys = 1000
		full := 0
		for i := range 200 {
			c := change{Sets: map[string]string{w.key(): strings.Repeat(w.value(), 8)}}
			if i%7 == 0 {
				c = w.setMany()
			}
			if err := s.do(w.name, c); errors.Is(err, extlibs.ErrFull) {
				if full++; full == 3 {
					break
				}
			} else {
				s.must("set", err)
			}
		}
		if full == 0 {
			tell(note{Wrong: "the file never was full"})
		}
		for range 10 {
			s.must("delete", s.do(w.name, w.delete()))
		}
		if err := s.registry.Close(); err != nil && !errors.Is(err, extlibs.ErrFull) {
			s.must("close", err)
		}
	}
	// What a version before the log left.
	programs["format 1"] = func(dir string, args ...string) {
		powercut.Enter()
		db, err := bolt.Open(filepath.Join(dir, "kv.db"), 0o600, nil)
		if err == nil {
			err = db.Update(func(tx *bolt.Tx) error {
				return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte{1})
			})
		}
		(&session{}).must("format", errors.Join(err, db.Close()))
	}
	// Writes that fail, and what the documentation says to do then.
	programs["retry"] = func(dir string, args ...string) {
		s := newSession(dir, inParts(args))
		s.registry = extlibs.NewRegistry(s.options...)
		s.reopen()
		s.look("w0")
		w := newWriter("w0")
		var again *change
		for range 16 {
			c := w.mixed()
			if again != nil {
				c = *again
			}
			err := s.do(w.name, c)
			if again = nil; err == nil {
				continue
			}
			again = &c
			if errors.Is(err, extlibs.ErrCommitUnknown) {
				s.reopen()
				s.look("w0")
			}
		}
		s.registry.Close()
	}
}
