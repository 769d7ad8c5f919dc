package extlibs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/glob"
	"pgregory.net/rapid"
)

func mustCompile(t testing.TB, text string) *pattern {
	t.Helper()
	p, err := compilePattern(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return p
}

func TestAPatternSelectsWhatItSays(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		yes, no string // keys, separated by spaces
	}{
		{"*", "a a:b é", ""},
		{"**", "a a:b", ""},
		{"abc", "abc", "ab abcd xabc"},
		{"a*", "a ab a:b/c", "b ba"},
		{"*a", "a ba b:/a", "ab b"},
		{"*a*", "a ba ab bab", "b"},
		{"a*c", "ac abc a:/c", "a c acd bac"},
		{"a*b*c", "abc axbyc abbcc", "acb ab"},
		{"a*a", "aa aba", "a"},
		{"?", "a é 日", "ab"},
		{"a?c", "abc aéc", "ac abbc"},
		{"??*", "ab abc", "a"},
		{"*??", "ab abc", "a"},
		{"[abc]", "a b c", "d ab"},
		{"[a-c]x", "ax bx cx", "dx x"},
		{"[!a-c]x", "dx éx", "ax bx"},
		{"[!ab]", "c", "a b"},
		{"[а-я]", "б я", "a"},
		{"x[a-c]*", "xa xbz", "x xd"},
		{"{a,b}", "a b", "c ab"},
		{"{a,b}c", "ac bc", "a b c"},
		{"user:{1,2}:*", "user:1: user:2:x", "user:3:x user:1"},
		{"{a,b}{c,d}", "ac ad bc bd", "ab cd"},
		{"{a,{b,c}d}", "a bd cd", "b d ad"},
		{"{,a}b", "b ab", "a"},
		{"{a*,*b}", "a ax b xb", "x"},
		{"{[,],x}", ", x", "a"},
		{"a{*,?}b", "ab axb axyb", "a b"},
		{`a\*b`, "a*b", "axb ab"},
		{`a\?`, "a?", "ab"},
		{`\[a]`, "[a]", "a"},
		{`\{a,b\}`, "{a,b}", "a b"},
		{`{a\,b,c}`, "a,b c", "a b"},
		{`a\\b`, `a\b`, "ab"},
		{`\a`, "a", `\a`},
		{`*\*`, "* a*", "a"},
		{"a}b", "a}b", "ab"},
		{"a]b", "a]b", "ab"},
		{"a,b", "a,b", "a b"},
		{"a-b!c", "a-b!c", "abc"},
		{"[!]", "", "a ]"},
	} {
		p, err := compilePattern(tt.pattern)
		if err != nil {
			if tt.yes != "" {
				t.Errorf("%q: %v", tt.pattern, err)
			}
			continue
		}
		for _, key := range strings.Fields(tt.yes) {
			if !p.selects(key) {
				t.Errorf("%q does not select %q", tt.pattern, key)
			}
		}
		for _, key := range strings.Fields(tt.no) {
			if p.selects(key) {
				t.Errorf("%q selects %q", tt.pattern, key)
			}
		}
	}
}

func TestAPatternKnowsItsLiteralPrefix(t *testing.T) {
	for _, tt := range []struct {
		pattern, prefix string
		matches, exact  bool // has a matcher; is one key
	}{
		{"*", "", false, false},
		{"***", "", false, false},
		{"user:*", "user:", false, false},
		{"user:**", "user:", false, false},
		{"user:1", "user:1", false, true},
		{`user\*`, "user*", false, true},
		{`a\*b*`, "a*b", false, false},
		{"user:*:name", "user:", true, false},
		{"user:?", "user:", true, false},
		{"user:[12]", "user:", true, false},
		{"*x", "", true, false},
		{"user:{1,2}", "user:", true, false},
		{"user:{12,13*}", "user:1", true, false},
		{"{a,b}*", "", true, false},
		{"{ab,ab}", "ab", false, true},
		{"é{a,b}", "é", true, false},
	} {
		p := mustCompile(t, tt.pattern)
		if p.prefix != tt.prefix || (p.match != nil) != tt.matches || p.exact != tt.exact {
			t.Errorf("%q has prefix %q, a matcher: %v, exact: %v", tt.pattern, p.prefix, p.match != nil, p.exact)
		}
		if p.all() != (strings.Trim(tt.pattern, "*") == "") {
			t.Errorf("%q selects all: %v", tt.pattern, p.all())
		}
	}
}

// hostile are patterns that cost a backtracking matcher, or one that multiplies
// out without a limit, more than there is.
var hostile = []string{
	strings.Repeat("{*a,*b}", 5) + "c*b",
	strings.Repeat("{*a,*b}", 6) + "c*b",
	strings.Repeat("{*a,*b}", 8) + "c*b",
	strings.Repeat("{a,aa}", 30),
	strings.Repeat("{a,aa}", 6),
	strings.Repeat("{,}", 200),
	"**" + strings.Repeat("?", 2000),
	"**" + strings.Repeat("?", 1000),
	strings.Repeat("*", 1024),
	strings.Repeat("*?", 512),
	strings.Repeat("[a-z]*", 100),
	strings.Repeat("[a-z]*", 170),
	strings.Repeat("*a", 500) + "*b",
	strings.Repeat("a*", 500) + "b",
	strings.Repeat("?*", 500) + "b",
	strings.Repeat("*a?", 300) + "b*c",
	strings.Repeat("{", 1024),
	strings.Repeat("{a,", 300),
	strings.Repeat("{a,", 60) + "b" + strings.Repeat("}", 60),
	strings.Repeat("{", 500) + strings.Repeat("}", 500),
	strings.Repeat("{*,", 60) + "?" + strings.Repeat("}", 60) + "b",
	strings.Repeat("{a*,b*}", 6) + "c",
	"{", "}", "{}", "{,}", "0{", "0{1", "{{}", "{{},", "a{b", "a{b,", "a{b}}", "{a}{", "[", "[a", "[a-", "[a-]", "[]", "[]]", "[!", "[!]", "[!!]", "[-]", "[a-b-c]", "[z-a]",
	`\`, `a\`, `[\`, `[\]`, `{\`, `{\}`, `{a\,`, "\xff", "[\xff]", "[\xff-\xfe]", "{\xff,a}", "\x00", "*\x00*", "",
}

func TestAHostilePatternIsAnAnswerOrErrInvalid(t *testing.T) {
	keys := []string{
		strings.Repeat("a", 100), strings.Repeat("a", MaxKeyBytes), strings.Repeat("ab", 100), strings.Repeat("é", 1000),
		"0{", "a", "{", "}", "b", "\x00",
	}
	for _, text := range hostile {
		t.Run(shorten(text), func(t *testing.T) {
			p, err := compilePattern(text)
			if err != nil {
				if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "pattern") {
					t.Errorf("the error is %v", err)
				}
				return
			}
			// The test's own deadline ends what takes exponential time.
			for _, key := range keys {
				p.selects(key)
			}
		})
	}
}

func TestAPatternOverALimitIsErrInvalid(t *testing.T) {
	for _, tt := range []struct {
		name, pattern string
		ok            bool
	}{
		{"1024 bytes", strings.Repeat("a", 1024), true},
		{"1025 bytes", strings.Repeat("a", 1025), false},
		{"1024 bytes of stars", strings.Repeat("*", 1024), true},
		{"64 alternatives in one group", "{" + strings.Repeat("a,", 63) + "b}", true},
		{"65 alternatives in one group", "{" + strings.Repeat("a,", 64) + "b}", false},
		{"64 alternatives multiplied out", strings.Repeat("{a,b}", 6), true},
		{"128 alternatives multiplied out", strings.Repeat("{a,b}", 7), false},
		{"64 alternatives one in another", strings.Repeat("{a,", 63) + "b" + strings.Repeat("}", 63), true},
		{"65 alternatives one in another", strings.Repeat("{a,", 64) + "b" + strings.Repeat("}", 64), false},
	} {
		if _, err := compilePattern(tt.pattern); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestAPatternIsMultipliedOutOnlyToItsLimit counts the alternatives that come
// out, and the allocations on the way where the limit stops it.
func TestAPatternIsMultipliedOutOnlyToItsLimit(t *testing.T) {
	for _, text := range hostile {
		if len(text) > MaxPatternBytes {
			continue
		}
		words, _ := expandBraces(text)
		if len(words) > MaxPatternWords {
			t.Errorf("%q has %d alternatives", shorten(text), len(words))
		}
		limit := float64(4 * MaxPatternWords * (len(text) + 1))
		if n := testing.AllocsPerRun(1, func() { expandBraces(text) }); n > limit {
			t.Errorf("%q took %v allocations, want no more than %v", shorten(text), n, limit)
		}
	}
}

// peerMatch asks the glob package directly. ok is false where its answer could
// take too long.
func peerMatch(text, key string) (match, valid, ok bool) {
	if strings.Count(text, "{")+strings.Count(text, ",") > 6 || len(text) > 60 || len(key) > 60 {
		return false, false, false
	}
	g, err := glob.Compile(text)
	if err != nil {
		return false, false, true
	}
	return g.Match(key), true, true
}

func compareWithPeer(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string, keys ...string) {
	t.Helper()
	p, err := compilePattern(text)
	if err != nil && !errors.Is(err, ErrInvalid) {
		t.Fatalf("%q: %v, want ErrInvalid", text, err)
	}
	for _, key := range keys {
		if !utf8.ValidString(key) {
			continue
		}
		want, valid, ok := peerMatch(text, key)
		switch {
		case !ok:
		case valid != (err == nil):
			t.Fatalf("%q is %v, for the glob package it is valid: %v", text, err, valid)
		case valid && p.selects(key) != want:
			t.Fatalf("%q selects %q: %v, for the glob package: %v", text, key, p.selects(key), want)
		}
		if err == nil && p.selects(key) && !strings.HasPrefix(key, p.prefix) {
			t.Fatalf("%q selects %q, which lacks its prefix %q", text, key, p.prefix)
		}
	}
}

func TestAPatternMeansTheSameToTheGlobPackage(t *testing.T) {
	parts := rapid.SampledFrom([]string{
		"a", "b", "ab", "é", ":", "*", "**", "?", "[ab]", "[a-c]", "[!a]", "[!a-b]", `\*`, `\a`, `\\`, `\[`, `\{`, "]", "-", "!",
		"{a,b}", "{ab,a*}", "{,a}", "{a,{b,?}}", "{*,b}", "{[ab],c}", `{a\,b,c}`, "{}", "[", "{", "}", ",", `\`, "[]", "[!]", "[a-", "[b-a]",
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(parts, 0, 6).Draw(t, "pattern"), "")
		keys := rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune("aabbc:é*?[]{}\\,-!")), 0, 8, -1), 1, 8).Draw(t, "keys")
		compareWithPeer(t, text, keys...)
	})
}

func FuzzPattern(f *testing.F) {
	for _, text := range hostile {
		f.Add(text, "aaab")
	}
	f.Add("[a-]{],x}", "a")
	f.Add("{a*,b?}[!c-d]\\*", "abx*")
	f.Fuzz(func(t *testing.T, text, key string) {
		compareWithPeer(t, text, key, text)
	})
}

// It counts the keys that are looked at.
func TestAPatternWithALiteralPrefixLooksOnlyAtTheKeysUnderIt(t *testing.T) {
	m := newMemory(newOptions(nil))
	defer m.Close()
	var ops []Op
	for i := range 20000 {
		ops = append(ops, Op{Kind: OpSet, Key: fmt.Sprintf("%c:%05d", 'a'+i%20, i), Value: encodeInt(1)})
	}
	if _, err := m.ApplyMany(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		pattern string
		most    int
	}{
		{"a:*7", 1000}, {"a:[0-9]*", 1000}, {"a:0010?", 10}, {"a:{00,01}*0", 1000}, {"none:*x", 0},
	} {
		p := mustCompile(t, tt.pattern)
		looked := 0
		var found []string
		for r := (Range{Prefix: p.prefix, Match: func(key string) bool { looked++; return p.match(key) }}); ; {
			page, err := m.Scan(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Entries {
				found = append(found, e.Key)
			}
			if !page.More {
				break
			}
			r.After = page.Next
		}
		if looked > tt.most {
			t.Errorf("%q looked at %d keys, want no more than %d", tt.pattern, looked, tt.most)
		}
		want := 0
		for _, op := range ops {
			if p.selects(op.Key) {
				want++
			}
		}
		if len(found) != want || !slices.IsSorted(found) {
			t.Errorf("%q found %d keys, want %d", tt.pattern, len(found), want)
		}
	}
}

func TestALoneBraceOverManyKeysIsErrInvalidAtOnce(t *testing.T) {
	r := NewRegistry()
	defer r.Close()
	h := r.Default()
	values := map[string]any{}
	for i := range 10_000 {
		values[fmt.Sprint(i)] = i
	}
	if err := h.SetMany(t.Context(), values, 0); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"0{", "0{1", "[", `0\`} {
		if keys, err := h.Keys(t.Context(), ListOptions{Pattern: text}); !errors.Is(err, ErrInvalid) || keys != nil {
			t.Errorf("Keys of %q: %d keys, %v", text, len(keys), err)
		}
		if n, err := h.Count(t.Context(), text); !errors.Is(err, ErrInvalid) || n != 0 {
			t.Errorf("Count of %q: %d, %v", text, n, err)
		}
	}
}
