package eval_test

import (
	"strings"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/stdlib"
)

// TestSizesAreBounded checks that a script cannot use up the memory of the
// process by a few operations, which no timeout would interrupt.
func TestSizesAreBounded(t *testing.T) {
	tests := []struct{ name, script string }{
		{"repeated string", `"ab" * 9223372036854775807`},
		{"repeated list", `[1] * 9223372036854775807`},
		{"repeated bytes", `bytes("a") * 9223372036854775807`},
		{"doubled string", "s = 'ab'\nwhile True: s += s"},
		{"doubled list", "l = [1]\nwhile True: l += l"},
		{"doubled tuple", "t = (1,)\nwhile True: t += t"},
		{"replaced string", "s = 'a' * 100000\ns.replace('a', s)"},
		{"replaced nothing", "s = 'a' * 100000\ns.replace('', s)"},
		{"joined string", "s = 'a' * 100000\ns.join(s)"},
		{"width", `"a".center(9223372036854775807)`},
		{"tabs", `"\t".expandtabs(9223372036854775807)`},
		{"choices", "import random\nrandom.choices([1], k=9223372036854775807)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := scriptling.New()
			stdlib.RegisterAll(p)
			_, err := p.Eval(tt.script)
			if err == nil || !strings.Contains(err.Error(), "too large") {
				t.Errorf("err = %v, want that something is too large", err)
			}
		})
	}
}
