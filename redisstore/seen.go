package redisstore

import (
	"hash/maphash"
	"sync/atomic"
)

// seen remembers what the values of a store were like, so that a read asks in the way
// that costs least. It may err, which costs a round trip.
type seen struct {
	mortals atomic.Int32             // reads for which an expiry is expected
	keys    [largeBits]atomic.Uint64 // a bit for keys with the same hash: their value is large
}

const (
	expectMortal = 32
	largeBits    = 128
)

var seed = maphash.MakeSeed()

func (s *seen) expectsMortal() bool { return s.mortals.Load() > 0 }

func (s *seen) mortal() {
	if s.mortals.Load() != expectMortal {
		s.mortals.Store(expectMortal)
	}
}

func (s *seen) immortal() { s.mortals.Add(-1) }

func (s *seen) bit(key string) (word *atomic.Uint64, mask uint64) {
	h := maphash.String(seed, key)
	return &s.keys[h%largeBits], 1 << (h >> 32 % 64)
}

func (s *seen) isLarge(key string) bool {
	word, mask := s.bit(key)
	return word.Load()&mask != 0
}

func (s *seen) large(key string) {
	word, mask := s.bit(key)
	word.Or(mask)
}

func (s *seen) small(key string) {
	word, mask := s.bit(key)
	word.And(^mask)
}
