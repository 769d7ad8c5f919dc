package redisstore

import (
	"hash/maphash"
	"sync/atomic"
)

// seen remembers what the values of a store were like, so that a read asks in the way
// that costs least. It may err, which costs a round trip.
type seen struct {
	mortals      atomic.Int32 // reads for which an expiry is expected
	larges       keyBits      // the value is large, so a read uses another connection
	smallExpires keyBits      // the value was small when expire read it
}

const expectMortal = 32

func (s *seen) expectsMortal() bool { return s.mortals.Load() > 0 }

func (s *seen) mortal() {
	if s.mortals.Load() != expectMortal {
		s.mortals.Store(expectMortal)
	}
}

func (s *seen) isSmall(key string) bool { return s.smallExpires.has(key) && !s.larges.has(key) }

// keyBits is a set of keys in which keys with the same hash are one.
type keyBits [128]atomic.Uint64

var seed = maphash.MakeSeed()

func (b *keyBits) bit(key string) (word *atomic.Uint64, mask uint64) {
	h := maphash.String(seed, key)
	return &b[h%uint64(len(b))], 1 << (h >> 32 % 64)
}

func (b *keyBits) has(key string) bool {
	word, mask := b.bit(key)
	return word.Load()&mask != 0
}

func (b *keyBits) set(key string) {
	if word, mask := b.bit(key); word.Load()&mask == 0 {
		word.Or(mask)
	}
}

func (b *keyBits) clear(key string) {
	word, mask := b.bit(key)
	word.And(^mask)
}
