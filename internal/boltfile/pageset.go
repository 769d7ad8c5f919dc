package boltfile

import "sync/atomic"

// pageSet knows of the pages of a file what its opening found: which of them
// belong to something, and which are leaves that nobody has looked at yet. Its
// size goes with the pages that were found, not with those that a header claims.
//
// It is filled by one goroutine, and used by many afterwards.
type pageSet struct {
	chunks map[uint64]*pageChunk
	last   *pageChunk
	lastID uint64
	unread atomic.Int64 // leaves that nobody has looked at
}

const chunkPages = 512

type pageChunk struct {
	claimed [chunkPages / 64]uint64
	unread  [chunkPages / 64]atomic.Uint64
}

func newPageSet() *pageSet { return &pageSet{chunks: map[uint64]*pageChunk{}} }

func (s *pageSet) chunk(id uint64) (c *pageChunk, word int, bit uint64) {
	return s.chunks[id/chunkPages], int(id % chunkPages / 64), 1 << (id % 64)
}

// claim marks a page as belonging to something, and reports whether it did not.
func (s *pageSet) claim(id uint64) bool {
	n := id / chunkPages
	c := s.last
	if c == nil || s.lastID != n {
		if c = s.chunks[n]; c == nil {
			c = &pageChunk{}
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

func (s *pageSet) isClaimed(id uint64) bool {
	c, word, bit := s.chunk(id)
	return c != nil && c.claimed[word]&bit != 0
}

// claimLeaf is claim for a leaf that is not read now.
func (s *pageSet) claimLeaf(id uint64) bool {
	if !s.claim(id) {
		return false
	}
	c, word, bit := s.chunk(id)
	c.unread[word].Or(bit)
	s.unread.Add(1)
	return true
}

// allRead reports whether there is nothing that nobody has looked at.
func (s *pageSet) allRead() bool { return s == nil || s.unread.Load() == 0 }

// isUnread reports whether a page is a leaf that nobody has looked at. Once a
// page is written it is not: its number was free, or the leaf had been read.
func (s *pageSet) isUnread(id uint64) bool {
	if s.allRead() {
		return false
	}
	c, word, bit := s.chunk(id)
	return c != nil && c.unread[word].Load()&bit != 0
}

// read marks a leaf as looked at.
func (s *pageSet) read(id uint64) {
	c, word, bit := s.chunk(id)
	if c.unread[word].And(^bit)&bit != 0 {
		s.unread.Add(-1)
	}
}
