package stdlib

import (
	"context"
	"math/rand/v2"
	"sync"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// RandomLibrary is the library random.
var RandomLibrary = object.NewLibrary("random", map[string]*object.Builtin{
	"seed":      function("seed([n]) - Restart the generator", randomSeed),
	"random":    function("random() - Float in [0, 1)", randomRandom),
	"randint":   function("randint(a, b) - Integer in [a, b]", randomRandint),
	"randrange": function("randrange([start,] stop[, step]) - Integer out of range()", randomRandrange),
	"uniform":   function("uniform(a, b) - Float between a and b", randomUniform),
	"choice":    function("choice(seq) - Element of a list or string", randomChoice),
	"choices":   function("choices(list, weights=None, k=1) - k elements, with replacement", randomChoices),
	"sample":    function("sample(list, k) - k different elements", randomSample),
	"shuffle":   function("shuffle(list) - Shuffle a list in place", randomShuffle),
}, nil, "Random numbers")

// generator is shared by all interpreters of the process, as the language
// defines it.
var generator = lockedRand{rand: newRand(rand.Uint64())}

type lockedRand struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func (g *lockedRand) seed(n uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rand = newRand(n)
}

func (g *lockedRand) float() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rand.Float64()
}

// below returns a number in [0, n); n = 0 means 2 to the 64.
func (g *lockedRand) below(n uint64) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n == 0 {
		return g.rand.Uint64()
	}
	return g.rand.Uint64N(n)
}

func (g *lockedRand) index(n int) int { return int(g.below(uint64(n))) }

func randomSeed(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.MaxArgs(args, 1); err != nil {
		return err
	}
	if len(args) == 0 {
		generator.seed(rand.Uint64())
		return none()
	}
	n, err := intArg(args[0])
	if err != nil {
		return err
	}
	generator.seed(uint64(n))
	return none()
}

func randomRandom(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.NoArgs(args); err != nil {
		return err
	}
	return object.NewFloat(generator.float())
}

func randomRandint(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	values, err := intArgs(args, 2)
	if err != nil {
		return err
	}
	low, high := values[0], values[1]
	if low > high {
		return errors.NewError("randint() min must be <= max")
	}
	// Unsigned arithmetic wraps to the right result for any pair of bounds.
	return object.NewInteger(low + int64(generator.below(uint64(high)-uint64(low)+1)))
}

func randomRandrange(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.RangeArgs(args, 1, 3); err != nil {
		return err
	}
	values, err := intArgs(args, len(args))
	if err != nil {
		return err
	}
	start, stop, step := int64(0), values[0], int64(1)
	if len(values) > 1 {
		start, stop = values[0], values[1]
	}
	if len(values) > 2 {
		step = values[2]
	}
	if step == 0 {
		return errors.NewValueError("randrange() step must not be zero")
	}
	if step > 0 && start >= stop || step < 0 && start <= stop {
		return errors.NewValueError("randrange() empty range")
	}
	distance, stride := uint64(stop)-uint64(start), uint64(step)
	if step < 0 {
		distance, stride = -distance, -stride
	}
	turns := (distance-1)/stride + 1
	return object.NewInteger(start + int64(generator.below(turns))*step)
}

func randomUniform(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	a, b, err := numberArgs(args)
	if err != nil {
		return err
	}
	return object.NewFloat(a + (b-a)*generator.float())
}
