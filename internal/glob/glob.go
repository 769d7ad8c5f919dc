// Package glob compiles patterns for keys. The dialect is gobwas/glob's without
// separators: * any run of characters, ? one character, [abc] [a-z] [!a-z] one of
// a class, {a,b} alternatives, and \ before a literal character.
//
//	glob.go  Compile, and the shapes that need no automaton
//	nfa.go   all others
//
// gobwas/glob decides which patterns are valid, and the tests compare what patterns
// select with it, so it defines the dialect. It does not match keys and is not given
// braces: both can take it exponential time, and for usual patterns and keys the
// automaton of this package is 2 to 40 times faster (19 against 770 ns for *[0-9]).
package glob

import (
	"slices"
	"strings"
	"unicode/utf8"

	peer "github.com/gobwas/glob"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Limits of a pattern.
const (
	MaxBytes        = 1024
	MaxAlternatives = 64 // once braces are multiplied out
)

// Pattern is a compiled pattern. It selects the keys that start with Prefix and satisfy
// Match; a nil Match accepts every key. Match is safe for concurrent use. Its time is
// proportional to the length of the key, times one step per 64 characters of the pattern.
type Pattern struct {
	Prefix string
	Match  func(key string) bool
	Exact  bool // Prefix is the only key
}

// All reports whether p selects every key.
func (p *Pattern) All() bool { return p.Prefix == "" && p.Match == nil && !p.Exact }

// Selects reports whether p selects a key.
func (p *Pattern) Selects(key string) bool {
	if p.Exact {
		return key == p.Prefix
	}
	return strings.HasPrefix(key, p.Prefix) && (p.Match == nil || p.Match(key))
}

// Compile compiles a pattern. A pattern that is malformed or exceeds a limit is an error
// that is kverr.Invalid.
func Compile(text string) (*Pattern, error) {
	if len(text) > MaxBytes {
		return nil, kverr.Errorf(kverr.Invalid, "pattern %q is longer than %d bytes; use a shorter one, such as a prefix and *", kverr.Shorten(text), MaxBytes)
	}
	if !utf8.ValidString(text) {
		return nil, kverr.Errorf(kverr.Invalid, "pattern %q is not valid UTF-8, but every key is; remove the invalid bytes", kverr.Shorten(text))
	}
	words, err := expandBraces(text)
	if err != nil {
		return nil, err
	}
	if len(words) == 1 {
		text = words[0]
	}
	p := &Pattern{}
	alternatives := make([]*Pattern, len(words))
	simple := true
	for i, w := range words {
		a, err := compileWord(w)
		if err != nil {
			return nil, invalid(text, w)
		}
		alternatives[i] = a.Pattern
		if i == 0 {
			p.Prefix = a.Prefix
		}
		p.Prefix = commonPrefix(p.Prefix, a.Prefix)
		simple = simple && !a.general
	}
	switch {
	case !simple:
		p.Match = newNFA(text).match
	case len(alternatives) == 1:
		return alternatives[0], nil
	default:
		p.Match = func(key string) bool {
			return slices.ContainsFunc(alternatives, func(a *Pattern) bool { return a.Selects(key) })
		}
	}
	return p, nil
}

// invalid says what is wrong with a word of a pattern, and what to do.
func invalid(text, word string) error {
	advice := `write \ before * ? [ { or \ to match the character itself`
	for rest := word; rest != ""; rest = rest[tokenLen(rest):] {
		switch token := rest[:tokenLen(rest)]; {
		case token == `\`:
			advice = `it ends with \, which must be followed by a character; write \\ to match the character itself`
		case token[0] != '[':
		case !strings.HasSuffix(token, "]"):
			advice = `a class is one range [a-z] or one list [abc], and ends with ]; for both, write {[a-z],[abc]}; write \[ to match the character itself`
		default:
			inner := strings.TrimPrefix(token[1:len(token)-1], "!")
			if lo, size := utf8.DecodeRuneInString(inner); strings.HasPrefix(inner[size:], "-") {
				if hi, _ := utf8.DecodeRuneInString(inner[size+1:]); hi < lo {
					advice = "the range " + token + " ends before it begins; write the lower character first"
				}
			}
		}
	}
	return kverr.Errorf(kverr.Invalid, "pattern %q is invalid: %s", kverr.Shorten(text), advice)
}

var escaper = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`, `,`, `\,`, `\`, `\\`)

// Escape returns a pattern that matches the text literally.
func Escape(text string) string { return escaper.Replace(text) }

func commonPrefix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

// word is a pattern without braces. A general one needs an automaton.
type word struct {
	*Pattern
	general bool
}

// compileWord finds the common shapes, which functions of package strings match.
func compileWord(text string) (w word, err error) {
	// Without separators ** is *, and long runs of it only cost time.
	text = collapseStars(text)
	prefix, rest := literal(text)
	w.Pattern = &Pattern{Prefix: prefix}
	if rest == "" {
		w.Exact = true
		return w, nil
	}
	if rest == "*" {
		return w, nil
	}
	if parts, ok := literals(rest); ok {
		w.Match = func(key string) bool { return selectsParts(key[len(prefix):], parts) }
		return w, nil
	}
	w.general = true
	_, err = peer.Compile(text)
	return w, err
}

// literals splits a word that begins with a star and has no other wildcards at its
// stars: "*a*b" is a and b, and "*a*" is a and an empty last part.
func literals(word string) (parts []string, ok bool) {
	for word != "" {
		if word[0] != '*' {
			return nil, false
		}
		var part string
		part, word = literal(word[1:])
		parts = append(parts, part)
	}
	return parts, true
}

// selectsParts reports whether text has parts in their order without overlaps, the
// last one at its end. The first place of a part leaves the most for those after it.
func selectsParts(text string, parts []string) bool {
	last := len(parts) - 1
	for _, part := range parts[:last] {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return strings.HasSuffix(text, parts[last])
}

// literal splits a word before its first wildcard and unescapes the first part.
// A trailing backslash goes to the rest, where the compiler refuses it.
func literal(word string) (lit, rest string) {
	i := strings.IndexAny(word, `*?[\`)
	switch {
	case i < 0:
		return word, ""
	case word[i] != '\\':
		return word[:i], word[i:]
	}
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		switch word[i] {
		case '*', '?', '[':
			return b.String(), word[i:]
		case '\\':
			if i+1 == len(word) {
				return b.String(), word[i:]
			}
			i++
		}
		b.WriteByte(word[i])
	}
	return b.String(), ""
}

func collapseStars(word string) string {
	if !strings.Contains(word, "**") {
		return word
	}
	var b strings.Builder
	afterStar := false
	for i := 0; i < len(word); {
		token := word[i : i+tokenLen(word[i:])]
		if !afterStar || token != "*" {
			b.WriteString(token)
		}
		afterStar = token == "*"
		i += len(token)
	}
	return b.String()
}

// tokenLen is the length of the escape, the class or the byte that s starts with.
func tokenLen(s string) int {
	switch s[0] {
	case '\\':
		return min(2, len(s))
	case '[':
		return classLen(s)
	}
	return 1
}

// classLen is the length of the class that s starts with, all of s if it does
// not end. In a range such as [a-z] no character is special.
func classLen(s string) int {
	i := 1
	if strings.HasPrefix(s[i:], "!") {
		i++
	}
	_, first := utf8.DecodeRuneInString(s[i:])
	if high, ok := strings.CutPrefix(s[i+first:], "-"); ok && high != "" {
		_, last := utf8.DecodeRuneInString(high)
		return min(i+first+1+last+1, len(s)) // with the bracket, or the character in its place
	}
	for ; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ']':
			return i + 1
		}
	}
	return len(s)
}

// expandBraces multiplies out the alternatives of a pattern, at most
// MaxAlternatives of them.
func expandBraces(text string) ([]string, error) {
	if !strings.Contains(text, "{") {
		return []string{text}, nil
	}
	x := braces{text: text}
	words, err := x.sequence(0)
	if err != nil {
		return nil, err
	}
	slices.Sort(words)
	return slices.Compact(words), nil
}

type braces struct {
	text string
	pos  int
}

// sequence reads up to the end of the text or, inside braces, up to the comma or
// brace that ends an alternative.
func (x *braces) sequence(depth int) ([]string, error) {
	words := []string{""}
	for x.pos < len(x.text) {
		c := x.text[x.pos]
		if depth > 0 && (c == ',' || c == '}') {
			break
		}
		if c != '{' {
			n := tokenLen(x.text[x.pos:])
			for i := range words {
				words[i] += x.text[x.pos : x.pos+n]
			}
			x.pos += n
			continue
		}
		inner, err := x.group(depth + 1)
		if err != nil {
			return nil, err
		}
		if len(words)*len(inner) > MaxAlternatives {
			return nil, kverr.Errorf(kverr.Invalid, "pattern %q has more than %d alternatives once its braces are multiplied out; use several patterns", kverr.Shorten(x.text), MaxAlternatives)
		}
		product := make([]string, 0, len(words)*len(inner))
		for _, w := range words {
			for _, v := range inner {
				product = append(product, w+v)
			}
		}
		words = product
	}
	return words, nil
}

// group reads one brace group, which starts at pos.
func (x *braces) group(depth int) ([]string, error) {
	var words []string
	for {
		x.pos++ // the brace or comma
		alternative, err := x.sequence(depth)
		if err != nil {
			return nil, err
		}
		words = append(words, alternative...)
		if len(words) > MaxAlternatives {
			return nil, kverr.Errorf(kverr.Invalid, "pattern %q has more than %d alternatives once its braces are multiplied out; use several patterns", kverr.Shorten(x.text), MaxAlternatives)
		}
		if x.pos == len(x.text) {
			return nil, kverr.Errorf(kverr.Invalid, "pattern %q is invalid: a { is not closed; add a }, or write \\{ to match the character itself", kverr.Shorten(x.text))
		}
		if x.text[x.pos] == '}' {
			x.pos++
			return words, nil
		}
	}
}
