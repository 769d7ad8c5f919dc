package hashtable

import (
	"math/bits"
	"math/rand/v2"
)

// hasher makes hashes of keys that cannot be foreseen without its secrets. It is wyhash, which Go itself uses for its maps where a processor has no
// instructions for AES. Where it has them, hash/maphash takes twice as long for a
// short key, nearly all of it on the way to those instructions: a tenth of a get.
type hasher struct{ secrets [3]uint64 }

func newHasher() (h hasher) {
	for i := range h.secrets {
		h.secrets[i] = rand.Uint64()
	}
	return h
}

const wordBytes = 8

func (h *hasher) hash(key string) uint64 {
	n := uint64(len(key))
	a, b := h.secrets[0], h.secrets[1]
	for len(key) > 2*wordBytes {
		b = fold(word(key)^a, word(key[wordBytes:])^b)
		key = key[2*wordBytes:]
	}
	switch { // the first bytes and the last ones, which may overlap
	case len(key) >= wordBytes:
		a ^= word(key)
		b ^= word(key[len(key)-wordBytes:])
	case len(key) >= wordBytes/2:
		a ^= half(key)
		b ^= half(key[len(key)-wordBytes/2:])
	case len(key) > 0:
		a ^= uint64(key[0]) | uint64(key[len(key)/2])<<8 | uint64(key[len(key)-1])<<16
	}
	return fold(fold(a, b), h.secrets[2]^n)
}

func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// word and half are the first bytes of a text that has as many, each one load.

func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func half(s string) uint64 {
	_ = s[3]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}
