package stdlib

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/paularlott/scriptling/object"
)

// The tests of this file check what the specification leaves open: arguments at
// the edge of their range must give an answer or an error, never a panic or an
// endless loop.

func integers(values ...int64) []object.Object {
	objects := make([]object.Object, len(values))
	for i, value := range values {
		objects[i] = object.NewInteger(value)
	}
	return objects
}

func TestIntegerLimits(t *testing.T) {
	tests := []struct {
		name string
		fn   object.BuiltinFunction
		args []object.Object
		want string
	}{
		{"comb", mathComb, integers(math.MaxInt64, math.MaxInt64), "1"},
		{"comb", mathComb, integers(math.MaxInt64, 1), "9223372036854775807"},
		{"comb", mathComb, integers(100, 50), "ERROR: comb: result too large"},
		{"comb", mathComb, integers(-1, 1), "ERROR: comb: negative number"},
		{"perm", mathPerm, integers(math.MaxInt64, math.MaxInt64), "ERROR: perm: result too large"},
		{"perm", mathPerm, integers(math.MaxInt64, 0), "1"},
		{"gcd", mathGCD, integers(math.MinInt64, -1), "1"},
		{"randint", randomRandint, integers(math.MaxInt64, math.MaxInt64), "9223372036854775807"},
		{"randrange", randomRandrange, integers(math.MinInt64, math.MaxInt64, math.MaxInt64), ""},
		{"randrange", randomRandrange, integers(0, math.MinInt64, math.MinInt64), "0"},
		{"randrange", randomRandrange, integers(0), "ERROR: randrange() empty range"},
		{"randrange", randomRandrange, integers(0, 1, 0), "ERROR: randrange() step must not be zero"},
		{"randint", randomRandint, integers(math.MinInt64, math.MaxInt64), ""},
		{"localtime", timeLocaltime, integers(math.MaxInt64), "ERROR: seconds: out of range"},
	}
	for _, tt := range tests {
		got := tt.fn(context.Background(), object.Kwargs{}, tt.args...)
		if tt.want == "" && !object.IsError(got) {
			continue
		}
		if got.Inspect() != tt.want {
			t.Errorf("%s%v = %s, want %s", tt.name, tt.args, got.Inspect(), tt.want)
		}
	}
}

func TestDuration(t *testing.T) {
	tests := []struct {
		seconds float64
		want    time.Duration
	}{
		{0, 0}, {-1, 0}, {math.NaN(), 0}, {0.5, 500 * time.Millisecond},
		{1e300, math.MaxInt64}, {math.Inf(1), math.MaxInt64},
	}
	for _, tt := range tests {
		if got := duration(tt.seconds); got != tt.want {
			t.Errorf("duration(%v) = %v, want %v", tt.seconds, got, tt.want)
		}
	}
}

func TestStrftime(t *testing.T) {
	moment := time.Date(2026, 3, 1, 14, 5, 7, 123456000, time.UTC)
	tests := []struct{ format, want string }{
		{"%Y-%m-%d %H:%M:%S", "2026-03-01 14:05:07"},
		{"%y %b %B %a %A %e %j %w", "26 Mar March Sun Sunday  1 060 0"},
		{"%I:%M %p %f %Z %z", "02:05 PM 123456 UTC +0000"},
		{"%c|%x|%X|%D|%F|%T|%R", "Sun Mar  1 14:05:07 2026|03/01/26|14:05:07|03/01/26|2026-03-01|14:05:07|14:05"},
		{"100%% %Q %", "100% %Q %"},
		{"2006 Jan", "2006 Jan"},
	}
	for _, tt := range tests {
		if got := strftime(tt.format, moment); got != tt.want {
			t.Errorf("strftime(%q) = %q, want %q", tt.format, got, tt.want)
		}
	}
}

func TestStrptime(t *testing.T) {
	tests := []struct{ text, format, want string }{
		{"2026-03-01", "%Y-%m-%d", "2026-03-01 00:00:00"},
		{"1/3/26 9:05", "%d/%m/%y %H:%M", "2026-03-01 09:05:00"},
		{"Mar 1 02:05 PM", "%b %d %I:%M %p", "1900-03-01 14:05:00"},
		{"x", "%Y", ""},
		{"2026", "%Q", ""},
		{"2026", "%", ""},
		{"2026", "2006", ""},
	}
	for _, tt := range tests {
		got, ok := strptime(tt.text, tt.format)
		if ok != (tt.want != "") || ok && got.Format(time.DateTime) != tt.want {
			t.Errorf("strptime(%q, %q) = %v, %v, want %q", tt.text, tt.format, got, ok, tt.want)
		}
	}
}

func TestDumpsCycle(t *testing.T) {
	cycle := &object.List{}
	cycle.Elements = append(cycle.Elements, cycle)
	got := jsonDumps(context.Background(), object.Kwargs{}, cycle)
	if !object.IsError(got) {
		t.Errorf("got %s, want an error", got.Type())
	}
}
