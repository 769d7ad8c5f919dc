package bbpage

import (
	"math/bits"
	"sync/atomic"
)

// Set knows which pages of a file are in use, and which of them are leaves that have
// not been verified yet. Its size depends on the pages that were found, not on the
// number that a meta page claims.
//
// One goroutine fills it; afterwards it is safe for concurrent use.
type Set struct {
	chunks map[uint64]*chunk
	last   *chunk
	lastID uint64
	unread atomic.Int64 // leaves that have not been verified

	// A page keeps a damaged entry when bbolt copies the page. So once one was found,
	// the leaves around a missing key are verified again.
	damaged atomic.Bool

	// Pages of the largest nodes that a write came to.
	branch, leaf atomic.Int64
}

const chunkPages = 512

type chunk struct {
	claimed [chunkPages / 64]uint64
	unread  [chunkPages / 64]atomic.Uint64
}

// NewSet returns an empty set.
func NewSet() *Set { return &Set{chunks: map[uint64]*chunk{}} }

// Unread returns how many leaves have not been verified yet.
func (s *Set) Unread() int64 { return s.unread.Load() }

// LargestNodes returns the number of pages of the largest branch that writes have reached, or
// that can result from the keys of the leaves, and of the largest leaf with several entries.
func (s *Set) LargestNodes() (branch, leaf int64) {
	return max(s.branch.Load(), 1), max(s.leaf.Load(), 1)
}

// SawNodes notes a branch and a leaf of so many pages.
func (s *Set) SawNodes(branch, leaf int64) {
	s.branch.Store(max(s.branch.Load(), branch))
	s.leaf.Store(max(s.leaf.Load(), leaf))
}

// ForgetNodes resets LargestNodes, for a file without nodes.
func (s *Set) ForgetNodes() { s.branch.Store(0); s.leaf.Store(0) }

// sawNode notes a node, and the branches that its keys can get into when it is split.
func (s *Set) sawNode(p page) {
	longest, pages := 0, int64(p.overflow())+1
	for i := range p.count() {
		longest = max(longest, len(p.key(i)))
	}
	branch, leaf := NodePages(int64(longest), int64(len(p))/pages), int64(0)
	switch {
	case p.flags() == pageBranch:
		branch = max(branch, pages)
	case p.count() > 1: // an entry that is alone is removed without being written again
		leaf = pages
	}
	s.SawNodes(branch, leaf)
}

func (s *Set) chunk(id uint64) (c *chunk, word int, bit uint64) {
	return s.chunks[id/chunkPages], int(id % chunkPages / 64), 1 << (id % 64)
}

// claim marks a page as used, and reports whether it was not.
func (s *Set) claim(id uint64) bool {
	n := id / chunkPages
	c := s.last
	if c == nil || s.lastID != n {
		if c = s.chunks[n]; c == nil {
			c = &chunk{}
			s.chunks[n] = c
		}
		s.last, s.lastID = c, n
	}
	word, bit := id%chunkPages/64, uint64(1)<<(id%64)
	if c.claimed[word]&bit != 0 {
		return false
	}
	c.claimed[word] |= bit
	return true
}

// has reports whether a page is claimed. A nil set has none.
func (s *Set) has(id uint64) bool {
	if s == nil {
		return false
	}
	c, word, bit := s.chunk(id)
	return c != nil && c.claimed[word]&bit != 0
}

// setUnread marks a claimed page as a leaf that has not been verified.
func (s *Set) setUnread(id uint64) {
	c, word, bit := s.chunk(id)
	c.unread[word].Or(bit)
	s.unread.Add(1)
}

// isUnread reports whether a page is a leaf that has not been verified. A page that was
// written since is not: its number was free, or the leaf had been verified.
func (s *Set) isUnread(id uint64) bool {
	if s.Unread() == 0 {
		return false
	}
	c, word, bit := s.chunk(id)
	return c != nil && c.unread[word].Load()&bit != 0
}

// setRead marks a leaf as verified.
func (s *Set) setRead(id uint64) {
	c, word, bit := s.chunk(id)
	if c.unread[word].And(^bit)&bit != 0 {
		s.unread.Add(-1)
	}
}

// Forget marks all leaves as verified, after a commit that freed all of them: their numbers
// are given to other pages now, branches among them.
func (s *Set) Forget() {
	for _, c := range s.chunks {
		for i := range c.unread {
			s.unread.Add(-int64(bits.OnesCount64(c.unread[i].Swap(0))))
		}
	}
}
