package glob

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// nfa matches a whole pattern, including braces. It is a bit-parallel automaton: it
// follows all paths through the pattern at once, with one bit for each, so its time is
// the length of the key times one step per 64 elements of the pattern, whatever the
// pattern and the text are. gobwas/glob backtracks to the last star, which takes a second
// for a pattern of 1 KiB and a key of 32 KiB.
//
// State i precedes element i. An element that accepts nothing marks each opening brace,
// each end of an alternative and the end of the pattern; jumps lead over these elements,
// from an opening brace to each alternative and from the end of an alternative to the
// element after the braces.
type nfa struct {
	elements []runes
	words    int      // of 64 bits, with a bit for the end of the pattern
	stars    []uint64 // bit i: a star precedes element i
	from     []uint64 // bit i: a jump begins at i
	jumps    []jump   // in the order of their beginnings, all of them forward

	ascii  [utf8.RuneSelf]uint16 // the class of a character
	starts []rune                // of the classes: characters that no element tells apart
	rows   []uint64              // words of bits for each class: bit i: element i accepts it
}

const maxWords = MaxBytes/64 + 1

type jump struct{ from, to int }

// runes is an element that accepts one character.
type runes struct {
	lo, hi rune   // from lo to hi
	or     string // or one of these
	not    bool   // all but those
}

var (
	anyRune = runes{lo: 0, hi: utf8.MaxRune}
	barrier = runes{lo: 1, hi: 0}
)

func (e runes) accepts(c rune) bool {
	return (e.lo <= c && c <= e.hi || strings.ContainsRune(e.or, c)) != e.not
}

// newNFA takes a pattern whose alternatives have been found valid.
func newNFA(text string) *nfa {
	m := &nfa{stars: make([]uint64, maxWords)}
	if rest := m.sequence(text, 0); rest != "" {
		panic("glob: a pattern ends before its text does") // expandBraces has read all of it
	}
	m.words = len(m.elements)/64 + 1
	m.stars = m.stars[:m.words]
	m.from = make([]uint64, m.words)
	slices.SortFunc(m.jumps, func(a, b jump) int { return a.from - b.from })
	for _, j := range m.jumps {
		m.from[j.from/64] |= 1 << (j.from % 64)
	}
	m.classify()
	return m
}

// sequence adds the elements up to the end of the text or, inside braces, of the
// alternative, and returns what is left.
func (m *nfa) sequence(text string, depth int) (rest string) {
	for text != "" {
		token := text[:tokenLen(text)]
		switch c := text[0]; {
		case depth > 0 && (c == ',' || c == '}'):
			return text
		case c == '{':
			text = m.group(text, depth+1)
			continue
		case c == '*':
			i := len(m.elements)
			m.stars[i/64] |= 1 << (i % 64)
		case c == '?':
			m.elements = append(m.elements, anyRune)
		case c == '[':
			m.elements = append(m.elements, classElement(token))
		default:
			start := 0
			if c == '\\' {
				start = 1
			}
			r, size := utf8.DecodeRuneInString(text[start:])
			m.elements = append(m.elements, runes{lo: r, hi: r})
			token = text[:start+size]
		}
		text = text[len(token):]
	}
	return ""
}

// group adds the alternatives of the braces that text begins with.
func (m *nfa) group(text string, depth int) (rest string) {
	if !hasAlternatives(text) { // what is in the braces needs no jumps
		return m.sequence(text[1:], depth)[1:]
	}
	opening := len(m.elements)
	m.elements = append(m.elements, barrier)
	var ends []int
	for {
		m.jumps = append(m.jumps, jump{opening, len(m.elements)})
		text = m.sequence(text[1:], depth) // after the brace or comma
		ends = append(ends, len(m.elements))
		m.elements = append(m.elements, barrier)
		if text[0] == '}' {
			break
		}
	}
	for _, end := range ends {
		m.jumps = append(m.jumps, jump{end, len(m.elements)})
	}
	return text[1:]
}

// hasAlternatives reports whether there is a comma in the braces that text begins with.
func hasAlternatives(text string) bool {
	depth := 0
	for text != "" {
		switch text[0] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return false
			}
		case ',':
			if depth == 1 {
				return true
			}
		}
		text = text[tokenLen(text):]
	}
	return false
}

// classElement reads [abc], [a-z], [!abc] or [!a-z].
func classElement(class string) runes {
	inner := class[1 : len(class)-1]
	e := barrier
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

// classify finds the classes of characters, and which elements accept each.
func (m *nfa) classify() {
	m.starts = append(m.starts, 0)
	for _, e := range m.elements {
		if e.lo <= e.hi {
			m.starts = append(m.starts, e.lo, e.hi+1)
		}
		for _, c := range e.or {
			m.starts = append(m.starts, c, c+1)
		}
	}
	slices.Sort(m.starts)
	m.starts = slices.Compact(m.starts)
	m.rows = make([]uint64, len(m.starts)*m.words)
	for k, c := range m.starts {
		row := m.rows[k*m.words:]
		for i, e := range m.elements {
			if e.accepts(c) {
				row[i/64] |= 1 << (i % 64)
			}
		}
	}
	for c := range m.ascii {
		m.ascii[c] = uint16(m.class(rune(c)))
	}
}

func (m *nfa) class(c rune) int {
	low, high := 0, len(m.starts) // starts[low] <= c < starts[high]
	for high-low > 1 {
		if mid := int(uint(low+high) >> 1); m.starts[mid] <= c {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// jump sets the states that jumps lead to.
func (m *nfa) jump(at []uint64) {
	for _, j := range m.jumps {
		bit := at[j.from/64] >> (j.from % 64) & 1
		at[j.to/64] |= bit << (j.to % 64)
	}
}

func (m *nfa) match(key string) bool {
	if m.words == 1 {
		return m.matchShort(key)
	}
	var buf [maxWords]uint64
	at := buf[:m.words] // bit i: the key so far can lead to state i
	at[0] = 1
	m.jump(at)
	end, endBit := len(m.elements)/64, uint64(1)<<(len(m.elements)%64)
	openEnd := m.stars[end]&endBit != 0
	for _, c := range key {
		var class int
		if c < utf8.RuneSelf {
			class = int(m.ascii[c])
		} else {
			class = m.class(c)
		}
		accepted := m.rows[class*m.words:][:m.words]
		carry, alive, jumps := uint64(0), uint64(0), uint64(0)
		for i, bits := range at {
			step := bits & accepted[i]
			next := step<<1 | carry | bits&m.stars[i]
			carry = step >> 63
			alive |= next
			jumps |= next & m.from[i]
			at[i] = next
		}
		if alive == 0 {
			return false
		}
		if jumps != 0 {
			m.jump(at)
		}
		if openEnd && at[end]&endBit != 0 {
			return true
		}
	}
	return at[end]&endBit != 0
}

// matchShort is match for a pattern of less than 64 elements.
func (m *nfa) matchShort(key string) bool {
	var at [1]uint64
	at[0] = 1
	m.jump(at[:])
	stars, from := m.stars[0], m.from[0]
	endBit := uint64(1) << len(m.elements)
	for _, c := range key {
		var class int
		if c < utf8.RuneSelf {
			class = int(m.ascii[c])
		} else {
			class = m.class(c)
		}
		bits := at[0]
		bits = (bits&m.rows[class])<<1 | bits&stars
		if bits == 0 {
			return false
		}
		at[0] = bits
		if bits&from != 0 {
			m.jump(at[:])
		}
		if at[0]&stars&endBit != 0 {
			return true
		}
	}
	return at[0]&endBit != 0
}
