package extlibs

import (
	"strings"
	"unicode/utf8"
)

// wordMatcher matches a pattern without braces. It follows all ways through the
// pattern at once, one bit each, so that its time is the length of the key times
// one step per 64 elements of the pattern, whatever they are. The glob package
// goes back to the last star instead, which takes a second for a pattern of 1 KiB
// and a key of 32.
type wordMatcher struct {
	elements []runes
	words    int      // of 64 bits, with a bit for the end of the pattern
	stars    []uint64 // bit i: a star stands before element i
	ascii    []uint64 // words of bits for each ASCII character: bit i: element i accepts it
}

const maxWords = MaxPatternBytes/64 + 1

// runes is an element that accepts one character.
type runes struct {
	lo, hi rune   // from lo to hi
	or     string // or one of these
	not    bool   // all but those
}

var anyRune = runes{lo: 0, hi: utf8.MaxRune}

func (e runes) accepts(c rune) bool {
	return (e.lo <= c && c <= e.hi || strings.ContainsRune(e.or, c)) != e.not
}

// newWordMatcher takes a pattern that the glob package has found valid.
func newWordMatcher(word string) *wordMatcher {
	m := &wordMatcher{elements: make([]runes, 0, len(word))}
	starAt := make([]uint64, maxWords)
	for len(word) > 0 {
		token := word[:tokenLen(word)]
		i := len(m.elements)
		switch word[0] {
		case '*':
			starAt[i/64] |= 1 << (i % 64)
		case '?':
			m.elements = append(m.elements, anyRune)
		case '[':
			m.elements = append(m.elements, classElement(token))
		default:
			start := 0
			if word[0] == '\\' {
				start = 1
			}
			c, size := utf8.DecodeRuneInString(word[start:])
			m.elements = append(m.elements, runes{lo: c, hi: c})
			token = word[:start+size]
		}
		word = word[len(token):]
	}
	m.words = len(m.elements)/64 + 1
	m.stars = starAt[:m.words]
	m.ascii = make([]uint64, utf8.RuneSelf*m.words)
	for c := range rune(utf8.RuneSelf) {
		m.accepting(c, m.ascii[int(c)*m.words:])
	}
	return m
}

// classElement reads [abc], [a-z], [!abc] or [!a-z].
func classElement(class string) runes {
	inner := class[1 : len(class)-1]
	e := runes{lo: 1, hi: 0}
	inner, e.not = strings.CutPrefix(inner, "!")
	lo, size := utf8.DecodeRuneInString(inner)
	if high, ok := strings.CutPrefix(inner[size:], "-"); ok && high != "" {
		e.lo = lo
		e.hi, _ = utf8.DecodeRuneInString(high)
		return e
	}
	e.or = unescape(inner)
	return e
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// accepting sets the bits of the elements that accept c.
func (m *wordMatcher) accepting(c rune, bits []uint64) {
	for i, e := range m.elements {
		if e.accepts(c) {
			bits[i/64] |= 1 << (i % 64)
		}
	}
}

func (m *wordMatcher) match(key string) bool {
	var buf, other [maxWords]uint64
	at := buf[:m.words] // bit i: the key so far can be the first i elements
	at[0] = 1
	end, endBit := len(m.elements)/64, uint64(1)<<(len(m.elements)%64)
	openEnd := m.stars[end]&endBit != 0
	for _, c := range key {
		var accepted []uint64
		if c < utf8.RuneSelf {
			accepted = m.ascii[int(c)*m.words:][:m.words]
		} else {
			accepted = other[:m.words]
			clear(accepted)
			m.accepting(c, accepted)
		}
		carry, alive := uint64(0), uint64(0)
		for i, bits := range at {
			step := bits & accepted[i]
			at[i] = step<<1 | carry | bits&m.stars[i]
			carry = step >> 63
			alive |= at[i]
		}
		if alive == 0 {
			return false
		}
		if openEnd && at[end]&endBit != 0 {
			return true
		}
	}
	return at[end]&endBit != 0
}
