package scriptling_test

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/internal/parser"
	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
)

const (
	// evalLimit is when the context of a fuzzed script ends, and evalPatience
	// when a script that still runs counts as hanging. A single operation may
	// be slow, so the two are far apart.
	evalLimit    = 200 * time.Millisecond
	evalPatience = 20 * time.Second
)

// FuzzEval runs any text as a script. The same bytes also choose the words of a
// random script, because mutated text rarely gets past the parser.
func FuzzEval(f *testing.F) {
	for _, pattern := range []string{"testdata/conformance/*.py", "testdata/extra/*.py"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatalf("no scripts match %s: %v", pattern, err)
		}
		for _, path := range paths {
			source, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(source))
		}
	}
	f.Fuzz(func(t *testing.T, source string) {
		evalSafely(t, source)
		evalSafely(t, randomScript(source))
	})
}

// TestRandomScripts runs random scripts also without fuzzing.
func TestRandomScripts(t *testing.T) {
	for seed := range uint64(300) {
		evalSafely(t, randomScript(string(binary.BigEndian.AppendUint64(nil, seed))))
	}
}

// evalSafely fails the test if a script panics, hangs or ends in a way that
// Eval does not promise.
func evalSafely(t *testing.T, source string) {
	t.Helper()
	p := scriptling.New()
	stdlib.RegisterAll(p)
	p.SetOutputWriter(io.Discard)
	p.SetInputReader(strings.NewReader(""))
	ctx, cancel := context.WithTimeout(t.Context(), evalLimit)
	defer cancel()
	type outcome struct {
		result object.Object
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				crash, ok := r.(*parser.Crash)
				if !ok {
					panic(r)
				}
				done <- outcome{nil, crash}
			}
		}()
		result, err := p.EvalWithContext(ctx, source)
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		if o.err != nil && strings.Contains(o.err.Error(), "script panic") {
			t.Fatalf("%v in\n%s", o.err, source)
		}
		if o.err == nil && o.result == nil {
			t.Fatalf("neither result nor error for\n%s", source)
		}
	case <-time.After(evalPatience):
		t.Fatalf("the script does not end:\n%s", source)
	}
}

// randomScript makes a script that parses. The bytes of seed decide first, then
// a generator that they start.
func randomScript(seed string) string {
	h := int64(len(seed))
	for _, b := range []byte(seed) {
		h = h*1099511628211 + int64(b)
	}
	s := scripter{rnd: rand.New(rand.NewSource(h)), seed: seed}
	for _, name := range strings.Fields(fuzzNames) {
		s.line(0, name, " = ", s.literal())
	}
	for range 4 + s.pick(8) { // an error must not end the script at once
		s.line(0, "try:")
		s.statement(1)
		s.line(0, "except Exception as e:")
		s.line(1, "print(e)")
	}
	return s.out.String()
}

// scripter writes random statements over a few names, so that they meet values
// of every type.
type scripter struct {
	rnd  *rand.Rand
	seed string
	out  strings.Builder
}

func (s *scripter) pick(n int) int {
	if s.seed == "" {
		return s.rnd.Intn(n)
	}
	b := int(s.seed[0])
	s.seed = s.seed[1:]
	return b % n
}

func (s *scripter) word(words string) string {
	list := strings.Fields(words)
	return list[s.pick(len(list))]
}

func (s *scripter) name() string { return s.word(fuzzNames) }

func (s *scripter) line(depth int, parts ...string) {
	s.out.WriteString(strings.Repeat("  ", depth) + strings.Join(parts, "") + "\n")
}

func (s *scripter) block(depth, statements int) {
	for range statements {
		s.statement(depth)
	}
}

func (s *scripter) body(depth int) { s.block(depth+1, 1+s.pick(2)) }

func (s *scripter) statement(depth int) {
	choice := s.pick(20)
	if depth > 4 {
		choice %= 9
	}
	switch choice {
	case 0, 1, 2:
		s.line(depth, s.name(), " = ", s.expr(3))
	case 3:
		s.line(depth, s.expr(3))
	case 4:
		s.line(depth, "print(", s.expr(3), ", f\"{", s.name(), ":", s.spec(), "}\")")
	case 5:
		s.line(depth, s.name(), s.word("+= -= *= /= //= %= **= &= |= ^= <<= >>="), s.expr(2))
	case 6:
		s.line(depth, s.name(), s.word("[0] [-1] .x [a] ['k']"), " = ", s.expr(2))
	case 7:
		s.line(depth, "del ", s.name(), s.word("[0] [-1] .x [1:] [::2] ['k']"))
	case 8:
		s.line(depth, "assert ", s.expr(2), ", ", s.name())
	case 9:
		s.line(depth, s.name(), ", *", s.name(), " = ", s.expr(2))
	case 10:
		s.line(depth, "if ", s.expr(2), ":")
		s.body(depth)
		s.line(depth, "else:")
		s.body(depth)
	case 11:
		s.line(depth, "for ", s.name(), s.word(",b ,(c,x)"), " in ", s.expr(2), ":")
		s.body(depth)
	case 12:
		s.line(depth, "for ", s.name(), " in ", s.expr(2), ":")
		s.body(depth)
		s.line(depth+1, s.word("break continue pass"))
	case 13:
		s.line(depth, "def ", s.word("f g"), "(a, b=", s.expr(1), ", ", s.word("c=2 *c **c"), "):")
		s.body(depth)
		s.line(depth+1, "return ", s.expr(2))
	case 14, 15:
		s.line(depth, "try:")
		s.body(depth)
		s.line(depth, "except ", s.word("Exception ValueError (TypeError,KeyError)"), " as e:")
		s.body(depth)
		s.line(depth, "finally:")
		s.body(depth)
	case 16:
		s.line(depth, "match ", s.name(), ":")
		s.line(depth+1, "case ", s.word("1 'k' [a,b] {'k':v} int() None"), ":")
		s.body(depth + 1)
		s.line(depth+1, "case x if ", s.expr(1), ":")
		s.body(depth + 1)
	case 17:
		s.line(depth, "class C:")
		s.line(depth+1, "def ", s.word("__init__ __str__ __eq__ __lt__ __len__ __iter__ __next__ __bool__ __hash__ __contains__ __getitem__ __add__"),
			"(self, a=1):")
		s.body(depth + 1)
		s.line(depth, s.name(), " = C()")
		s.line(depth, s.expr(2))
	case 18:
		s.line(depth, "raise ", s.expr(1))
	default:
		s.line(depth, "while ", s.expr(1), ":")
		s.body(depth)
		s.line(depth+1, "break")
	}
}

func (s *scripter) expr(depth int) string {
	if depth == 0 {
		return s.atom()
	}
	e := func() string { return s.expr(depth - 1) }
	switch s.pick(16) {
	case 0, 1, 2:
		ops := "+ - * / // % ** << >> & | ^ and or == != < > <= >= in is"
		return "(" + e() + " " + s.word(ops) + " " + e() + ")"
	case 3:
		return s.word("- ~ not") + " " + e()
	case 4:
		return "[" + e() + ", " + e() + "]"
	case 5:
		return "{" + e() + ": " + e() + "}"
	case 6:
		return "(" + e() + ", " + e() + ")"
	case 7:
		return e() + "[" + e() + "]"
	case 8:
		return e() + "[" + e() + ":" + s.atom() + ":" + s.atom() + "]"
	case 9:
		return "[" + e() + " for x in " + e() + "]"
	case 10:
		return "(" + e() + " if " + e() + " else " + e() + ")"
	case 11:
		return "(lambda x, *y: " + e() + ")"
	case 12, 13:
		return s.word(fuzzFunctions) + "(" + e() + s.word(", ,key= ,*") + e() + ")"
	case 14:
		return s.name() + "." + s.word(fuzzMethods) + "(" + e() + ")"
	default:
		return s.word(fuzzFunctions) + "(" + e() + ")"
	}
}

func (s *scripter) atom() string {
	if s.pick(3) == 0 {
		return s.name()
	}
	return s.literal()
}

func (s *scripter) literal() string {
	return s.word(`0 1 -1 2 7 1.5 -0.0 1e308 9223372036854775807 "" "ab" "äöü" "%s%d" "{}{0}"
		'k' None True False [] () {} [3,1,2] (1,) {1,2} {'k':1} range(3) len str len bytes('ab') iter([1]) set() (lambda:1)`)
}

func (s *scripter) spec() string {
	return s.word("5 <5 ^9.3 08.2f + ,d x b % e g .0f *>4s = q")
}

const fuzzNames = "a b c f g k v x y"

// Functions that sleep, and repetitions that need much memory, are left out.
const fuzzFunctions = `abs all any bin bool bytes callable chr copy dict dir divmod enumerate filter float format getattr
	hasattr hash help hex id int isinstance issubclass items iter keys len list map max min next oct ord pow print
	property range repr reversed round set setattr slice sorted staticmethod str sum tuple type values zip f g a super
	KeyError StopIteration`

const fuzzMethods = `upper split join replace find index count strip center zfill format partition encode translate
	maketrans expandtabs append extend insert pop remove sort reverse copy clear keys values items get setdefault update
	fromkeys add discard union difference issubset decode hex type x title splitlines startswith isdigit`
