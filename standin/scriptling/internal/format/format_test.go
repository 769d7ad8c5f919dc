package format

import (
	"math"
	"testing"
)

func TestFloatText(t *testing.T) {
	tests := []struct {
		f            float64
		plain, field string
	}{
		{1, "1", "1.0"},
		{-2, "-2", "-2.0"},
		{2.5, "2.5", "2.5"},
		{0.30000000000000004, "0.30000000000000004", "0.30000000000000004"},
		{1e6, "1e+06", "1000000.0"},
		{123456789, "1.23456789e+08", "123456789.0"},
		{1e16, "1e+16", "10000000000000000.0"},
		{1e20, "1e+20", "1e+20"},
		{1 << 62, "4.611686018427388e+18", "4611686018427387904.0"},
		{1 << 63, "9.223372036854776e+18", "9.223372036854776e+18"},
		{-1 << 63, "-9.223372036854776e+18", "-9223372036854775808.0"},
		{1e-5, "1e-05", "1e-05"},
		{math.Inf(1), "+Inf", "+Inf"},
		{math.Inf(-1), "-Inf", "-Inf"},
		{math.NaN(), "NaN", "NaN"},
	}
	for _, tt := range tests {
		if got := FloatText(tt.f); got != tt.plain {
			t.Errorf("FloatText(%v) = %s, want %s", tt.f, got, tt.plain)
		}
		if got := FloatFieldText(tt.f); got != tt.field {
			t.Errorf("FloatFieldText(%v) = %s, want %s", tt.f, got, tt.field)
		}
	}
}

func TestSpec(t *testing.T) {
	n, pi, ab := IntValue(42), FloatValue(3.14159), TextValue("ab")
	yes, none := OtherValue("true", "BOOLEAN"), OtherValue("None", "NULL")
	tests := []struct {
		v          Value
		spec, want string
	}{
		{n, "", "42"},
		{n, "5d", "   42"},
		{n, "<5", "42   "},
		{n, "^6", "  42  "},
		{n, "^5", " 42  "},
		{n, ">5", "   42"},
		{n, "05d", "00042"},
		{n, "<05", "42000"},
		{n, "*=5", "***42"},
		{n, "+d", "+42"},
		{n, " d", " 42"},
		{n, "-d", "42"},
		{n, "é>4", "éé42"},
		{n, "x", "2a"},
		{n, "X", "2A"},
		{n, "o", "52"},
		{n, "b", "101010"},
		{n, "08b", "00101010"},
		{n, "#x", "2a"},
		{n, ".2f", "42.00"},
		{n, "e", "4.200000e+01"},
		{n, "%", "4200.000000%"},
		{n, "s", "42"},
		{IntValue(-42), "05d", "-0042"},
		{IntValue(-255), "x", "-ff"},
		{IntValue(math.MinInt64), "d", "-9223372036854775808"},
		{IntValue(1234567), ",", "1,234,567"},
		{IntValue(-1234567), ",", "-1,234,567"},
		{IntValue(123), ",", "123"},

		{pi, "", "3.14159"},
		{pi, ".2f", "3.14"},
		{pi, "8.3f", "   3.142"},
		{pi, "e", "3.141590e+00"},
		{pi, ".1e", "3.1e+00"},
		{pi, ".1", "3.1"},
		{pi, "10", "   3.14159"},
		{pi, "d", "3"},
		{FloatValue(-2.9), "d", "-2"},
		{FloatValue(12345.678), "g", "12345.678"},
		{FloatValue(2.5), ".0f", "2"},
		{FloatValue(3.5), ".0f", "4"},
		{FloatValue(1234567.891), ",.2f", "1,234,567.89"},
		{FloatValue(0.256), ".1%", "25.6%"},
		{FloatValue(0.5), "%", "50.000000%"},
		{FloatValue(-1.5), "07.2f", "-001.50"},
		{FloatValue(math.Inf(1)), "6", "  +Inf"},
		{FloatValue(math.NaN()), ".2f", "NaN"},
		{FloatValue(1e20), "d", "100000000000000000000"},

		{ab, ">5", "   ab"},
		{ab, "<5", "ab   "},
		{ab, "^6", "  ab  "},
		{ab, "*^6", "**ab**"},
		{ab, "5", "ab   "},
		{ab, "s", "ab"},
		{ab, "05", "ab000"},
		{TextValue("abcdef"), ".3", "abc"},
		{TextValue("äöü"), ".2", "äö"},
		{TextValue("äöü"), "4", "äöü "},

		{yes, "5", " true"},
		{none, "6", "  None"},

		{n, "q", "42"},
		{n, "{w", "42"},
		{n, "10q", "42"},
		{n, ".", "42"},
		{ab, "5 5", "ab"},
	}
	for _, tt := range tests {
		if got := ParseSpec(tt.spec).Apply(tt.v); got != tt.want {
			t.Errorf("%q of %+v = %q, want %q", tt.spec, tt.v, got, tt.want)
		}
	}
}

func TestPercent(t *testing.T) {
	one := func(v Value) []Value { return []Value{v} }
	tests := []struct {
		template string
		args     []Value
		want     string
	}{
		{"no directive", nil, "no directive"},
		{"%s is %d years", []Value{TextValue("bob"), IntValue(3)}, "bob is 3 years"},
		{"%.2f|", one(FloatValue(1.5)), "1.50|"},
		{"%5d|%-5d|%05d|%+d", []Value{IntValue(42), IntValue(42), IntValue(7), IntValue(1)}, "   42|42   |00007|+1"},
		{"%-5s|%5s", []Value{TextValue("ab"), TextValue("ab")}, "ab|ab"},
		{"%.2s", one(TextValue("abc")), "ab"},
		{"%x %X %o %#x", []Value{IntValue(255), IntValue(255), IntValue(8), IntValue(255)}, "ff FF 10 0xff"},
		{"%d%%", one(IntValue(50)), "50%"},
		{"%5.1f|", one(FloatValue(3.14159)), "  3.1|"},
		{"%c%c", []Value{IntValue(65), TextValue("b")}, "Ab"},
		{"%r %r", []Value{TextValue("a"), IntValue(1)}, `"a" 1`},
		{"%d %i", []Value{FloatValue(3.9), FloatValue(-3.9)}, "3 -3"},
		{"%e", one(FloatValue(12345.678)), "1.234568e+04"},
		{"%g", one(FloatValue(0.5)), "0.5"},
		{"%f", one(IntValue(2)), "2.000000"},
		{"%s %s", []Value{FloatValue(1), OtherValue("[1, a]", "LIST")}, "1 [1, a]"},
	}
	for _, tt := range tests {
		got, err := Percent(tt.template, tt.args)
		if err != nil || got != tt.want {
			t.Errorf("%q = %q, %v, want %q", tt.template, got, err, tt.want)
		}
	}
}

func TestPercentErrors(t *testing.T) {
	tests := []struct {
		template string
		args     []Value
		want     string
	}{
		{"%s %s", []Value{TextValue("a")}, "not enough arguments for format string"},
		{"%s", []Value{TextValue("a"), TextValue("b")}, "not all arguments converted during string formatting"},
		{"%d", []Value{TextValue("x")}, "%d format: a number is required, not STRING"},
		{"%f", []Value{OtherValue("None", "NULL")}, "%f format: a number is required, not NULL"},
		{"%(name)s", []Value{TextValue("x")}, "unsupported format character: ("},
		{"%é", nil, "unsupported format character: é"},
		{"%\xff", nil, "unsupported format character: \ufffd"},
		{"%", nil, "incomplete format"},
		{"%-5.2", nil, "incomplete format"},
	}
	for _, tt := range tests {
		if got, err := Percent(tt.template, tt.args); err == nil || err.Error() != tt.want {
			t.Errorf("%q = %q, %v, want %q", tt.template, got, err, tt.want)
		}
	}
}

func TestReplace(t *testing.T) {
	tests := []struct {
		template string
		texts    []string
		want     string
	}{
		{"{} and {}", []string{"1", "two"}, "1 and two"},
		{"{0}-{1}", []string{"a", "b"}, "a-b"},
		{"none", []string{"a"}, "none"},
		{"{} {}", []string{"only one"}, "only one {}"},
		{"{0} {}", []string{"a"}, "a a"},
		{"{}", []string{"{}", "x"}, "x"},
	}
	for _, tt := range tests {
		if got := Replace(tt.template, tt.texts); got != tt.want {
			t.Errorf("%q = %q, want %q", tt.template, got, tt.want)
		}
	}
}
