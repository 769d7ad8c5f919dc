package codec

import (
	"errors"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

func TestAPathGrowsFromThePartToTheValueAndStaysShort(t *testing.T) {
	err := error(Errorf(kverr.Type, "%%s is a %s", "function"))
	for _, step := range []string{IndexStep(3), KeyStep("a\n"), KeyStep(1.5)} {
		err = At(err, step)
	}
	if got := err.Error(); got != `value[1.5]["a\n"][3] is a function` || !errors.Is(err, kverr.Type) {
		t.Error(got)
	}
	if got := In(err, "default").Error(); got != `default[1.5]["a\n"][3] is a function` {
		t.Error(got)
	}
	for range 100 {
		err = At(err, KeyStep(strings.Repeat("x", 100)))
	}
	if got := err.Error(); !strings.HasPrefix(got, "default...[") || len(got) > 2*maxPathBytes {
		t.Error(got)
	}
	other := errors.New("other")
	if At(other, "[0]") != other || In(other, "default") != other {
		t.Error("an error without a path is changed")
	}
	steps := make([]string, 100)
	for i := range steps {
		steps[i] = IndexStep(i)
	}
	if got := Along(Errorf(kverr.Type, "%%s"), steps).Error(); !strings.HasPrefix(got, "value[0][1]") || !strings.HasSuffix(got, cut) || len(got) > 2*maxPathBytes {
		t.Error(got)
	}
}
