package runtimelib

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/paularlott/scriptling/object"
)

// Failure describes tasks that ended with an exception.
type Failure struct {
	Task  string // the name that the script gave the task
	Type  string // of the exception
	Text  string // of an error that the interpreter or the library raised; else ""
	Line  int    // 0 if it is not known
	Count int    // of tasks; from 2 on Task is the last of them and Type lists all types
}

// Of the failures in a period the first ones are reported one by one, the rest as
// one Failure at its end.
const (
	failurePeriod   = time.Minute
	failuresAtOnce  = 10
	maxFailureTypes = 8
)

// Lengths of what a Failure takes from a script.
const (
	maxTaskName = 128
	maxTypeName = 64
	maxText     = 240
)

// A reporter limits the rate of reports, which hosts write to their logs. It is safe
// for concurrent use.
type reporter struct {
	report func(Failure)

	mu    sync.Mutex
	timer *time.Timer // of the period; nil: none has begun
	seen  int         // failures in the period
	rest  Failure     // failures not reported yet
	types map[string]int
}

// failed reports a task that an exception has ended.
func (r *reporter) failed(name string, result object.Object) {
	f, ok := failureOf(name, result)
	if ok && r.admit(f) {
		r.report(f)
	}
}

// admit reports whether a failure is to be reported now, and counts it if not.
func (r *reporter) admit(f Failure) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer == nil {
		r.seen, r.rest, r.types = 0, Failure{}, map[string]int{}
		r.timer = time.AfterFunc(failurePeriod, r.flush)
	}
	if r.seen++; r.seen <= failuresAtOnce {
		return true
	}
	kind := f.Type
	if _, known := r.types[kind]; !known && len(r.types) >= maxFailureTypes {
		kind = "others"
	}
	r.types[kind]++
	f.Count += r.rest.Count
	r.rest = f
	return false
}

// flush ends the period and reports the failures that have not been reported.
func (r *reporter) flush() {
	r.mu.Lock()
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	rest, types := r.rest, r.types
	r.rest, r.types = Failure{}, nil
	r.mu.Unlock()
	if rest.Count == 0 {
		return
	}
	if rest.Count > 1 {
		list := make([]string, 0, len(types))
		for _, kind := range slices.Sorted(maps.Keys(types)) {
			list = append(list, fmt.Sprintf("%s: %d", kind, types[kind]))
		}
		rest.Type = strings.Join(list, ", ")
	}
	r.report(rest)
}

// failureOf returns the Failure of a task's result; ok is false if it is not one.
func failureOf(name string, result object.Object) (f Failure, ok bool) {
	f = Failure{Task: cleaned(name, maxTaskName), Type: object.ExceptionTypeException, Count: 1}
	switch x := result.(type) {
	case *object.Error:
		f.Type = cleaned(cmp.Or(x.ExceptionType, f.Type), maxTypeName)
		f.Text, f.Line = valueless(x.Message), x.Line
	case *object.Exception:
		f.Type = cleaned(cmp.Or(x.ExceptionType, f.Type), maxTypeName)
		return f, !x.IsSystemExit()
	default:
		return f, false
	}
	return f, true
}

// valuelessTexts match the texts, or the beginnings of texts, in which neither the
// interpreter nor this module puts values of scripts: they consist of names in the
// program, of types and of numbers.
var valuelessTexts = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`identifier not found: (?:list method |method )?[A-Za-z_][A-Za-z0-9_]*`,
	`type error: type mismatch`,
	`type error: expected [A-Za-z_, ()-]+, got [A-Za-z_]+`,
	`unknown operator: (?:[A-Z_]+ )?[-~+*/%<>=&|^]+ ?[A-Z_]+`,
	`argument error: got \d+ arguments, want \d+`,
	`expected at (?:least|most) \d+ arguments, got \d+`,
	`got an unexpected keyword argument`,
	`multiple values for argument`,
	`division by zero`,
	`(?:[a-z]+ )?index out of range`,
	`pop from empty list`,
	`value not in list`,
	`substring not found`,
	`unhashable type: '[A-Z_]+'`,
	`cannot unpack \d+ values (?:in)?to \d+ variables`,
	`cannot unpack non-tuple/list value`,
	`not enough values to unpack \(expected at least \d+, got \d+\)`,
	`not (?:enough|all) arguments (?:for format string|converted during string formatting)`,
	`cannot assign to (?:index|expression)`,
	`(?:assignment|deletion) error`,
	`not a function or class: [A-Z_]+`,
	`object [A-Z_]+ has no method [A-Za-z_][A-Za-z0-9_]*`,
	`instance has no method [A-Za-z_][A-Za-z0-9_]*`,
	`index operator not supported: [A-Z_]+`,
	`builtin index must be string`,
	`slice step cannot be zero`,
	`negative shift count`,
	`cannot convert`,
	`cannot compare [A-Z_]+ with [A-Z_]+`,
	`import error(?: at line \d+)?: unknown library: [A-Za-z0-9_.]+`,
	`import error`,
	`(?:failed to load library|function not found:|library not found:) [A-Za-z0-9_.]+`,
	`cannot load library: no factory configured`,
	`exceptions must derive from BaseException`,
	`No active exception to re-raise`,
	`execution (?:timeout|cancelled)`,
	`call depth exceeded: maximum depth is \d+`,
	`maximum recursion depth exceeded`,
	`(?:[A-Za-z_][A-Za-z0-9_]{0,30}: )?must be (?:an? )?[a-z]+(?: or [a-z]+)?`,
	`AssertionError at line \d+`,
	`JSONDecodeError`,
	`(?:script )?panic`,
	`kv\.[a-z_]+: (?s:.*)`,
	`background: (?s:.*)`,
}, `|`) + `)`)

// valueless returns what can be told of the text of an error: no value that a script
// has, which may be a secret.
func valueless(message string) string {
	return cleaned(valuelessTexts.FindString(message), maxText)
}

// cleaned returns at most n bytes of a text, without what could act on a terminal or
// begin a new line.
func cleaned(text string, n int) string {
	if len(text) > n {
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n] + "..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}
