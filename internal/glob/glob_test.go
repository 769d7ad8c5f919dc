package glob

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	peer "github.com/gobwas/glob"
	"pgregory.net/rapid"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

const maxKeyBytes = 32768

func mustCompile(t testing.TB, text string) *Pattern {
	t.Helper()
	p, err := Compile(text)
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
		p, err := Compile(tt.pattern)
		if err != nil {
			if tt.yes != "" {
				t.Errorf("%q: %v", tt.pattern, err)
			}
			continue
		}
		for _, key := range strings.Fields(tt.yes) {
			if !p.Selects(key) {
				t.Errorf("%q does not select %q", tt.pattern, key)
			}
		}
		for _, key := range strings.Fields(tt.no) {
			if p.Selects(key) {
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
		if p.Prefix != tt.prefix || (p.Match != nil) != tt.matches || p.Exact != tt.exact {
			t.Errorf("%q has prefix %q, a matcher: %v, exact: %v", tt.pattern, p.Prefix, p.Match != nil, p.Exact)
		}
		if p.All() != (strings.Trim(tt.pattern, "*") == "") {
			t.Errorf("%q selects all: %v", tt.pattern, p.All())
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

func TestAHostilePatternIsAnAnswerOrAnError(t *testing.T) {
	keys := []string{
		strings.Repeat("a", 100), strings.Repeat("a", maxKeyBytes), strings.Repeat("ab", 100), strings.Repeat("é", 1000),
		"0{", "a", "{", "}", "b", "\x00",
	}
	for _, text := range hostile {
		t.Run(kverr.Shorten(text), func(t *testing.T) {
			p, err := Compile(text)
			if err != nil {
				if !errors.Is(err, kverr.Invalid) || !strings.Contains(err.Error(), "pattern") {
					t.Errorf("the error is %v", err)
				}
				return
			}
			// The test's own deadline ends what takes exponential time.
			for _, key := range keys {
				p.Selects(key)
			}
		})
	}
}

func TestAPatternOverALimitIsInvalid(t *testing.T) {
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
		if _, err := Compile(tt.pattern); (err == nil) != tt.ok || err != nil && !errors.Is(err, kverr.Invalid) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestAPatternIsMultipliedOutOnlyToItsLimit counts the alternatives that come
// out, and the allocations on the way where the limit stops it.
func TestAPatternIsMultipliedOutOnlyToItsLimit(t *testing.T) {
	for _, text := range hostile {
		if len(text) > MaxBytes {
			continue
		}
		words, _ := expandBraces(text)
		if len(words) > MaxAlternatives {
			t.Errorf("%q has %d alternatives", kverr.Shorten(text), len(words))
		}
		limit := float64(4 * MaxAlternatives * (len(text) + 1))
		if n := testing.AllocsPerRun(1, func() { expandBraces(text) }); n > limit {
			t.Errorf("%q took %v allocations, want no more than %v", kverr.Shorten(text), n, limit)
		}
	}
}

// peerMatch asks the glob package directly. ok is false where its answer could
// take too long.
func peerMatch(text, key string) (match, valid, ok bool) {
	if strings.Count(text, "{")+strings.Count(text, ",") > 6 || len(text) > 60 || len(key) > 60 {
		return false, false, false
	}
	g, err := peer.Compile(text)
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
	p, err := Compile(text)
	if err != nil && !errors.Is(err, kverr.Invalid) {
		t.Fatalf("%q: %v, want kverr.Invalid", text, err)
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
		case valid && p.Selects(key) != want:
			t.Fatalf("%q selects %q: %v, for the glob package: %v", text, key, p.Selects(key), want)
		}
		if err == nil && p.Selects(key) && !strings.HasPrefix(key, p.Prefix) {
			t.Fatalf("%q selects %q, which lacks its prefix %q", text, key, p.Prefix)
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

// expensive are the patterns that cost most.
var expensive = []string{
	strings.Repeat("{*é,*ü}", 6) + strings.Repeat("*ö?", 200),
	"{" + strings.Repeat("*é?ü*,", 63) + "*é}",
	strings.Repeat("*é", 300) + "x",
	strings.Repeat("*[а-я]", 110) + "x",
	strings.Repeat("{a,b}", 6) + strings.Repeat("*[!a]", 190),
	"*[" + strings.Repeat("é", 500) + "]x",
	strings.Repeat("*?", 510) + "x",
	"{" + strings.Repeat("{", 200) + "*é?," + strings.Repeat("}", 200) + ",*ü?}",
}

func TestAnyPatternIsDoneWithALongKeyOfAnyTextInMilliseconds(t *testing.T) {
	const limit = 100 * time.Millisecond * slowness
	keys := []string{strings.Repeat("é", maxKeyBytes/2), strings.Repeat("aé", maxKeyBytes/3), strings.Repeat("a", maxKeyBytes), strings.Repeat("éü日x", maxKeyBytes/8)}
	for _, text := range append(slices.Clone(hostile), expensive...) {
		p, err := Compile(text)
		if err != nil {
			continue
		}
		for _, key := range keys {
			fastest := time.Hour // of some runs: the machine has other work too
			for i := 0; i < 5 && fastest > limit; i++ {
				began := kvtest.CPUTime()
				p.Selects(key)
				fastest = min(fastest, kvtest.CPUTime()-began)
			}
			if fastest > limit {
				t.Errorf("%q takes %v for a key of %d bytes that begins with %q", kverr.Shorten(text), fastest, len(key), kverr.Shorten(key))
			}
		}
	}
}

func TestAnInvalidPatternSaysWhatToDo(t *testing.T) {
	for text, want := range map[string]string{
		"[z-a]":                    "write the lower character first",
		"x[!z-a]*":                 "the range [!z-a] ends before it begins",
		"[a-z0-9]":                 "write {[a-z],[abc]}",
		"[abc":                     "ends with ]",
		"user:[":                   "write \\[ to match the character itself",
		"a?\\":                     "ends with \\, which must be followed by a character",
		"a{b":                      "write \\{ to match the character itself",
		strings.Repeat("{a,b}", 7): "use several patterns",
		strings.Repeat("a", 1025):  "use a shorter one",
		"\xff":                     "not valid UTF-8",
	} {
		_, err := Compile(text)
		if !errors.Is(err, kverr.Invalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "pattern \"") {
			t.Errorf("%q: %v, want %q in it", kverr.Shorten(text), err, want)
		}
	}
}

// Braces around a single alternative mean nothing, and must cost nothing: each jump of
// the automaton is a step for each character of a key.
func TestBracesWithOneAlternativeAreNoJumps(t *testing.T) {
	for text, jumps := range map[string]int{
		strings.Repeat("{*?}", 253) + "{b,c}": 4, "{{{a*}?}}x[a-z]": 0, `{a\,b}?c`: 0, "{a[,]b}?c": 0, "{x{a,b}?}c": 4,
	} {
		if m := newNFA(text); len(m.jumps) != jumps {
			t.Errorf("%.40q has %d jumps, want %d", text, len(m.jumps), jumps)
		}
	}
}
