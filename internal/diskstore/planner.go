package diskstore

import (
	"context"
	"sync"
	"time"
)

// planner has one call at a time planned and appended, which orders the calls.
type planner struct {
	mu     sync.Mutex
	large  chan struct{} // closed at the end of the large write that others wait for; nil: there is none
	writes uint64        // calls that changed something
	noRoom time.Time     // when there was no room for a log

	frontiers frontiers
	apart     []*Plan // that are planned apart: see apart.go
}

// planning is the right to plan a call and to append its record.
type planning struct{ s *Store }

// lockPlanner waits until no other call is being planned and no large write is under way.
func (s *Store) lockPlanner(ctx context.Context) (planning, error) {
	p := &s.planner
	for {
		p.mu.Lock()
		large := p.large
		if large == nil {
			return planning{s}, nil
		}
		p.mu.Unlock()
		select {
		case <-large:
		case <-ctx.Done():
			return planning{}, notDone(ctx.Err())
		case <-s.file.Broken(): // then the large write can wait for the engine forever
			return planning{}, s.file.Err()
		}
	}
}

func (l planning) unlock() { l.s.planner.mu.Unlock() }

// pause runs fn while no call is planned or appended.
func (p *planner) pause(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn()
}

// tryPause is pause if no call is being planned, and reports whether it ran fn.
func (p *planner) tryPause(fn func()) bool {
	if !p.mu.TryLock() {
		return false
	}
	defer p.mu.Unlock()
	fn()
	return true
}

// beginLarge makes later calls wait until end is called.
func (l planning) beginLarge() (end func()) {
	p := &l.s.planner
	p.large = make(chan struct{})
	return func() {
		p.pause(func() {
			close(p.large)
			p.large = nil
		})
	}
}
