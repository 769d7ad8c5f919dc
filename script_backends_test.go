package extlibs_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/paularlott/scriptling/object"
)

// The scripts of testdata/scripts find kv, an empty store, and advance(seconds)
// in their interpreter.
func TestScriptsDoTheSameOnEveryBackend(t *testing.T) {
	for name, v := range vectors(t, "testdata/scripts") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forEachBackend(t, func(t *testing.T, b backend) {
				clock := newClock()
				p, _ := scripted(t, b, clock.option())
				p.RegisterFunc("advance", func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
					seconds, errObj := args[0].AsFloat()
					if errObj != nil {
						return errObj
					}
					clock.Advance(time.Duration(seconds * float64(time.Second)))
					return &object.Null{}
				})
				var out bytes.Buffer
				p.SetOutputWriter(&out)
				if _, err := p.Eval(v[0]); err != nil {
					out.WriteString("RESULT ERROR: " + err.Error() + "\n")
				}
				if got := out.String(); got != v[1] {
					t.Errorf("printed:\n%s\nwant:\n%s", got, v[1])
				}
			})
		})
	}
}
