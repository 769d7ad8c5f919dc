package codec

import "unicode/utf8"

const (
	wordBytes = 8
	notASCII  = 0x8080808080808080 // the bit of each byte that ASCII has not
)

// ValidText is utf8.ValidString, faster for short ASCII text such as member names.
func ValidText(s string) bool {
	if len(s) < wordBytes {
		bits := byte(0)
		for i := range len(s) {
			bits |= s[i]
		}
		return bits < utf8.RuneSelf || utf8.ValidString(s)
	}
	// The last word may overlap the one before it.
	bits := word(s[len(s)-wordBytes:])
	for rest := s; len(rest) > wordBytes; rest = rest[wordBytes:] {
		bits |= word(rest)
	}
	return bits&notASCII == 0 || utf8.ValidString(s)
}

// word is the first bytes of a text that has as many.
func word(s string) uint64 {
	_ = s[wordBytes-1]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
