package stdlib_test

import (
	"sync"
	"testing"

	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
)

func TestSeedRepeats(t *testing.T) {
	draw := func() string {
		call(t, stdlib.RandomLibrary, "seed", integer(7))
		values := list()
		for range 5 {
			values.Elements = append(values.Elements, call(t, stdlib.RandomLibrary, "randint", integer(1), integer(100)))
		}
		return values.Inspect()
	}
	if a, b := draw(), draw(); a != b {
		t.Errorf("the same seed gives %s and %s", a, b)
	}
}

func TestRandomRanges(t *testing.T) {
	lib := stdlib.RandomLibrary
	for range 200 {
		if n, _ := call(t, lib, "randint", integer(-1), integer(1)).AsInt(); n < -1 || n > 1 {
			t.Fatalf("randint gives %d", n)
		}
		if n, _ := call(t, lib, "randrange", integer(10), integer(0), integer(-4)).AsInt(); n != 10 && n != 6 && n != 2 {
			t.Fatalf("randrange gives %d", n)
		}
		if f, _ := call(t, lib, "random").AsFloat(); f < 0 || f >= 1 {
			t.Fatalf("random gives %v", f)
		}
		if f, _ := call(t, lib, "uniform", integer(1), integer(2)).AsFloat(); f < 1 || f > 2 {
			t.Fatalf("uniform gives %v", f)
		}
		got := callKw(t, lib, "choices", map[string]object.Object{"weights": list(integer(0), integer(1)), "k": integer(2)},
			list(text("a"), text("b")))
		expect(t, "choices", got, object.LIST_OBJ, "[b, b]")
	}
	expect(t, "randrange", call(t, lib, "randrange", integer(1)), object.INTEGER_OBJ, "0")
	expect(t, "choice", call(t, lib, "choice", list(integer(5))), object.INTEGER_OBJ, "5")
	expect(t, "choice", call(t, lib, "choice", text("z")), object.STRING_OBJ, "z")
	expect(t, "choices", callKw(t, lib, "choices", map[string]object.Object{"weights": none()}, list(integer(1))), object.LIST_OBJ, "[1]")
}

func TestShuffleAndSample(t *testing.T) {
	lib := stdlib.RandomLibrary
	values := list(integer(1), integer(2), integer(3))
	expect(t, "shuffle", call(t, lib, "shuffle", values), object.NULL_OBJ, "None")
	sample := call(t, lib, "sample", values, integer(3)).(*object.List)
	for _, l := range []*object.List{values, sample} {
		sum := int64(0)
		for _, element := range l.Elements {
			n, _ := element.AsInt()
			sum += n
		}
		if len(l.Elements) != 3 || sum != 6 {
			t.Errorf("got %s", l.Inspect())
		}
	}
}

func TestRandomErrors(t *testing.T) {
	lib := stdlib.RandomLibrary
	expectError(t, "choice", call(t, lib, "choice", list()), "choice() list cannot be empty", "")
	expectError(t, "randint", call(t, lib, "randint", integer(5), integer(1)), "randint() min must be <= max", "")
	expectError(t, "randint", call(t, lib, "randint", text("a"), integer(1)), "type error: expected INTEGER, got STRING", "")
}

func TestGeneratorIsShared(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 100 {
				call(t, stdlib.RandomLibrary, "seed", integer(1))
				call(t, stdlib.RandomLibrary, "random")
			}
		}()
	}
	wg.Wait()
}

func TestChoiceOfATextPicksAByte(t *testing.T) {
	for range 20 {
		if s := call(t, stdlib.RandomLibrary, "choice", text("éé")).(*object.String).StringValue(); len(s) != 1 {
			t.Fatalf("chose %q", s)
		}
	}
}
