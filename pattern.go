package extlibs

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/glob"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// pattern is a compiled glob. The keys it selects start with prefix and satisfy
// match; a nil match is satisfied by each of them.
//
// The dialect is gobwas/glob's without separators: * any run of characters, ?
// one character, [abc] [a-z] [!a-z] one of a class, {a,b} alternatives, and \
// before a character that stands for itself.
type pattern struct {
	prefix string
	match  func(key string) bool
	exact  bool // prefix is the only key
}

// all reports whether p selects every key.
func (p *pattern) all() bool { return p.prefix == "" && p.match == nil && !p.exact }

// compilePattern multiplies out the braces first, because the glob package
// backtracks on them in exponential time. Which words are valid is for that
// package to say; the common shapes and wordMatcher do the matching.
func compilePattern(text string) (*pattern, error) {
	if len(text) > MaxPatternBytes {
		return nil, kverr.Errorf(ErrInvalid, "pattern %q is longer than %d bytes", shorten(text), MaxPatternBytes)
	}
	if !utf8.ValidString(text) {
		return nil, kverr.Errorf(ErrInvalid, "pattern %q is not valid UTF-8", shorten(text))
	}
	words, err := expandBraces(text)
	if err != nil {
		return nil, err
	}
	alternatives := make([]*pattern, len(words))
	for i, w := range words {
		if alternatives[i], err = compileWord(w); err != nil {
			return nil, kverr.Errorf(ErrInvalid, "pattern %q is invalid: %w; escape a literal * ? [ { or \\ with \\", shorten(text), err)
		}
	}
	if len(alternatives) == 1 {
		return alternatives[0], nil
	}
	return anyOf(alternatives), nil
}

// anyOf selects what one of several patterns selects.
func anyOf(alternatives []*pattern) *pattern {
	prefix := alternatives[0].prefix
	for _, a := range alternatives[1:] {
		prefix = commonPrefix(prefix, a.prefix)
	}
	return &pattern{prefix: prefix, match: func(key string) bool {
		return slices.ContainsFunc(alternatives, func(a *pattern) bool { return a.selects(key) })
	}}
}

func (p *pattern) selects(key string) bool {
	if p.exact {
		return key == p.prefix
	}
	return strings.HasPrefix(key, p.prefix) && (p.match == nil || p.match(key))
}

func commonPrefix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

// compileWord compiles a pattern without braces. The common shapes need no
// matcher, or a function of package strings.
func compileWord(word string) (*pattern, error) {
	// Without separators ** is *, and long runs of it only cost time.
	word = collapseStars(word)
	prefix, rest := literal(word)
	if rest == "" {
		return &pattern{prefix: prefix, exact: true}, nil
	}
	if rest == "*" {
		return &pattern{prefix: prefix}, nil
	}
	if rest[0] == '*' {
		switch lit, tail := literal(rest[1:]); tail {
		case "":
			return &pattern{prefix: prefix, match: func(key string) bool {
				return strings.HasSuffix(key[len(prefix):], lit)
			}}, nil
		case "*":
			return &pattern{prefix: prefix, match: func(key string) bool {
				return strings.Contains(key[len(prefix):], lit)
			}}, nil
		}
	}
	if _, err := glob.Compile(word); err != nil {
		return nil, err
	}
	return &pattern{prefix: prefix, match: newWordMatcher(word).match}, nil
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
// not end. In a range such as [a-z] no character has a meaning of its own.
func classLen(s string) int {
	i := 1
	if strings.HasPrefix(s[i:], "!") {
		i++
	}
	_, first := utf8.DecodeRuneInString(s[i:])
	if high, ok := strings.CutPrefix(s[i+first:], "-"); ok && high != "" {
		_, last := utf8.DecodeRuneInString(high)
		return min(i+first+1+last+1, len(s)) // with the bracket, or what stands there instead
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
// MaxPatternWords of them.
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
		if len(words)*len(inner) > MaxPatternWords {
			return nil, kverr.Errorf(ErrInvalid, "pattern %q has more than %d alternatives", shorten(x.text), MaxPatternWords)
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
		if len(words) > MaxPatternWords {
			return nil, kverr.Errorf(ErrInvalid, "pattern %q has more than %d alternatives", shorten(x.text), MaxPatternWords)
		}
		if x.pos == len(x.text) {
			return nil, kverr.Errorf(ErrInvalid, "pattern %q is invalid: a { is not closed; write \\{ for the character itself", shorten(x.text))
		}
		if x.text[x.pos] == '}' {
			x.pos++
			return words, nil
		}
	}
}
