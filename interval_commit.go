package extlibs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/tidwall/btree"
)

// generation is a set of pending writes: what each key shall be in the file, gone
// if it has no value. cleared hides all that is below it.
type generation struct {
	entries btree.Map[string, keyState]
	cleared bool
	bytes   int
	growth  int // keys added less keys removed, where that is known
}

// entryOverhead is what an entry of a generation costs beside key and value, in bytes.
const entryOverhead = 96

// put sets or, where exists is false, takes back the entry of a key.
func (g *generation) put(key string, e keyState, exists bool) {
	var old keyState
	var replaced bool
	if exists {
		old, replaced = g.entries.Set(key, e)
		g.bytes += len(key) + e.value.Len() + entryOverhead
	} else {
		old, replaced = g.entries.Delete(key)
	}
	if replaced {
		g.bytes -= len(key) + old.value.Len() + entryOverhead
	}
}

// armTimer sees to the commit of what newest holds.
func (s *intervalStore) armTimer() {
	if s.timer == nil {
		s.timers.Add(1)
		s.timer = time.AfterFunc(s.d/commitDelay, func() {
			defer s.timers.Done()
			s.flush() // its error is kept for the next write
		})
	}
}

// flush commits what is pending. Several callers share the commits that they
// need: whoever waited finds nothing left to do.
func (s *intervalStore) flush() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	if s.timer != nil {
		if s.timer.Stop() {
			s.timers.Done()
		}
		s.timer = nil
	}
	if s.newest.empty() {
		s.mu.Unlock()
		return nil
	}
	g := s.newest
	s.committing, s.newest = g, &generation{}
	s.mu.Unlock()

	began := time.Now()
	err := s.disk.write(context.Background(), g.commit)
	if errors.Is(err, ErrFull) {
		// The pages of what is deleted are free after a commit only.
		if err = s.disk.write(context.Background(), g.removals().commit); err == nil {
			err = s.disk.write(context.Background(), g.commit)
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.cost = max(s.cost*9/10, time.Since(began)/time.Duration(g.entries.Len()+freeEntries))
	s.committing = nil
	if err == nil {
		s.failed = nil
		s.disk.sweep.expect(0)
		return nil
	}
	// Nothing that was acknowledged is dropped: it stays pending, under what
	// came since.
	s.newest.over(g)
	s.failed = fmt.Errorf("the last commit failed, its writes are kept in memory and tried again; until then only deletes are taken: %w", err)
	s.disk.opts.logger.Error("kv: commit failed", "path", s.disk.file.Path(), "error", err)
	if !s.closed {
		s.armTimer()
	}
	return s.failed
}

func (g *generation) empty() bool { return !g.cleared && g.entries.Len() == 0 }

// over puts g on top of below.
func (g *generation) over(below *generation) {
	if g.cleared {
		return
	}
	below.entries.Scan(func(key string, e keyState) bool {
		if _, newer := g.entries.Get(key); !newer {
			g.put(key, e, true)
		}
		return true
	})
	g.cleared = below.cleared
	g.growth += below.growth
}

// removals is the part of a generation that makes room.
func (g *generation) removals() *generation {
	r := &generation{cleared: g.cleared}
	g.entries.Scan(func(key string, e keyState) bool {
		if e.value.IsZero() {
			r.put(key, e, true)
		}
		return true
	})
	return r
}

// commit writes a generation to the file.
func (g *generation) commit(t *boltfile.Tx) error {
	if g.cleared {
		if err := t.Clear(); err != nil {
			return err
		}
	}
	var err error
	g.entries.Scan(func(key string, e keyState) bool {
		_, was, exists, _ := t.Entry(key) // a damaged entry is mended by replacing it
		switch {
		case !e.value.IsZero() && t.Live(e.deadline):
			err = t.Put(key, was, exists, e.deadline, e.value.data)
		case exists:
			err = t.Remove(key, was)
		}
		return err == nil
	})
	return err
}

// Close commits what is pending.
func (s *intervalStore) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	err := s.flush()
	s.timers.Wait()
	return errors.Join(err, s.disk.Close())
}

// Stats implements StatsReporter.
func (s *intervalStore) Stats(ctx context.Context) (Stats, error) { return s.disk.Stats(ctx) }

// HoldsFile implements FileHolder.
func (s *intervalStore) HoldsFile(info os.FileInfo) bool { return s.disk.HoldsFile(info) }
