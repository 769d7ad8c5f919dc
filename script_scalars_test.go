package extlibs

import (
	"testing"

	"github.com/paularlott/scriptling/object"
)

//lint:file-ignore U1000 the fields are here for their layout

func TestOnlyAStructOfNothingButAValueWrapsIt(t *testing.T) {
	type empty struct{}
	type plain struct{ text string }
	type marked struct {
		empty
		text string
	}
	type counted struct {
		text string
		n    int
	}
	type other struct{ a, b int }
	for name, c := range map[string]struct{ got, want bool }{
		"one field":           {wraps[plain, string](), true},
		"an empty one too":    {wraps[marked, string](), true},
		"a second one":        {wraps[counted, string](), false},
		"of the same size":    {wraps[other, string](), false},
		"of another type":     {wraps[plain, int64](), false},
		"not a struct at all": {wraps[string, string](), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v", name, c.got)
		}
	}
	if s := "text"; textObject(&s).Inspect() != object.NewString(s).Inspect() {
		t.Errorf("got %q", textObject(&s).Inspect())
	}
}
