package robustness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/scriptling-kv/extlibs"
)

// kvInput is one call of a history; what it is on is in key.
type kvInput struct {
	op  extlibs.OpKind // 0: Load
	key string
	v   extlibs.Value
	old extlibs.Value
}

// kvOutput is what a call returned. A call without an answer may have been done
// at any time after it began, or never.
type kvOutput struct {
	r      extlibs.Result
	failed bool
}

// kvModel says which answers one key may give, one call after the other.
var kvModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(kvInput).key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return extlibs.RawValue("") },
	Step: func(state, input, output any) (bool, any) {
		now, in, out := state.(extlibs.Value), input.(kvInput), output.(kvOutput)
		next, applied, fails := now, false, false
		switch in.op {
		case 0:
			return out.r.Old == now, now
		case extlibs.OpSet:
			next, applied = in.v, true
		case extlibs.OpAdd:
			if applied = now.IsZero(); applied {
				next = in.v
			}
		case extlibs.OpSwap, extlibs.OpSwapTTL:
			if applied = now == in.old; applied {
				next = in.v
			}
		case extlibs.OpDeleteIf:
			if applied = !now.IsZero() && now == in.old; applied {
				next = extlibs.Value{}
			}
		case extlibs.OpDelete:
			next, applied = extlibs.Value{}, !now.IsZero()
		case extlibs.OpIncr:
			if sum, ok := sumOf(now, in.v); ok {
				next, applied = sum, true
			} else {
				fails = true
			}
		}
		if fails || out.failed {
			return fails == out.failed, now
		}
		stored := extlibs.Value{}
		if applied {
			stored = next
		}
		return out.r.Applied == applied && out.r.Old == now && out.r.New == stored, next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

func sumOf(a, b extlibs.Value) (extlibs.Value, bool) {
	if a.IsZero() {
		return b, true
	}
	x, _ := a.Decode()
	y, _ := b.Decode()
	m, ok := x.(int64)
	if !ok {
		return extlibs.Value{}, false
	}
	sum, err := extlibs.Encode(m + y.(int64))
	return sum, err == nil
}

// It lets a few goroutines make random calls on
// two keys and asks a checker for an order of them that explains all answers.
func TestSmallHistoriesAreLinearizable(t *testing.T) {
	for kind, store := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r, name := newStore(t, kind)
			h := mustOpen(t, r, name)
			rounds := 60
			if store.inFile {
				rounds = 15
			}
			for round := range rounds {
				history := randomHistory(t, h, fmt.Sprint(round))
				if result := porcupine.CheckOperationsTimeout(kvModel, history, 20*time.Second); result != porcupine.Ok {
					for _, op := range history {
						t.Logf("client %d, %d to %d: %+v -> %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
					}
					t.Fatalf("round %d: the checker says %s", round, result)
				}
			}
		})
	}
}

func randomHistory(t *testing.T, h *extlibs.Handle, round string) []porcupine.Operation {
	const clients, calls = 4, 15
	values := []extlibs.Value{mustEncode(t, 1), mustEncode(t, 2), mustEncode(t, 3), mustEncode(t, "text")}
	began := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for range calls {
				in := kvInput{
					op:  extlibs.OpKind(rand.N(9)),
					key: round + "-" + fmt.Sprint(rand.N(2)),
					v:   values[rand.N(len(values))],
					old: values[rand.N(len(values))],
				}
				if in.op == extlibs.OpExpire {
					in.op = 0
				}
				if in.op == extlibs.OpIncr {
					in.v = values[rand.N(3)]
				}
				call := time.Since(began)
				out, err := makeCall(h, in)
				end := time.Since(began)
				if err != nil {
					t.Errorf("%+v: %v", in, err)
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: in, Call: int64(call), Output: out, Return: int64(end)})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return history
}

// makeCall makes some of the calls as a batch of one, which has to be the same.
func makeCall(h *extlibs.Handle, in kvInput) (out kvOutput, err error) {
	if in.op == 0 {
		e, err := h.Store().Load(ctx, in.key, extlibs.NeedAll)
		if errors.Is(err, extlibs.ErrNotFound) {
			err = nil
		}
		return kvOutput{r: extlibs.Result{Old: e.Value}}, err
	}
	op := extlibs.Op{Kind: in.op, Key: in.key, Value: in.v, NeedOld: true}
	switch in.op {
	case extlibs.OpSwap, extlibs.OpSwapTTL:
		op.Old = in.old
	case extlibs.OpDeleteIf:
		op.Old, op.Value = in.old, extlibs.Value{}
	case extlibs.OpDelete:
		op.Value = extlibs.Value{}
	}
	var r extlibs.Result
	if rand.N(3) == 0 {
		var results []extlibs.Result
		if results, err = h.Store().ApplyMany(ctx, []extlibs.Op{op}); err == nil {
			r = results[0]
		}
	} else {
		r, err = h.Store().Apply(ctx, op)
	}
	if errors.Is(err, extlibs.ErrType) {
		return kvOutput{failed: true}, nil
	}
	return kvOutput{r: r}, err
}

// It shows that the checker would notice.
func TestTheModelRefusesAnImpossibleHistory(t *testing.T) {
	one, two := mustEncode(t, 1), mustEncode(t, 2)
	set := func(v extlibs.Value, old extlibs.Value, call, end int64) porcupine.Operation {
		return porcupine.Operation{Input: kvInput{op: extlibs.OpSet, key: "k", v: v}, Call: call,
			Output: kvOutput{r: extlibs.Result{Applied: true, Old: old, New: v}}, Return: end}
	}
	load := func(v extlibs.Value, call, end int64) porcupine.Operation {
		return porcupine.Operation{ClientId: 1, Input: kvInput{key: "k"}, Call: call, Output: kvOutput{r: extlibs.Result{Old: v}}, Return: end}
	}
	for name, history := range map[string][]porcupine.Operation{
		"a stale read":     {set(one, extlibs.Value{}, 1, 2), set(two, one, 3, 4), load(one, 5, 6)},
		"a lost write":     {set(one, extlibs.Value{}, 1, 2), load(extlibs.Value{}, 3, 4)},
		"a value too soon": {load(one, 1, 2), set(one, extlibs.Value{}, 3, 4)},
		"a wrong old one":  {set(one, extlibs.Value{}, 1, 2), set(two, extlibs.Value{}, 3, 4)},
	} {
		if porcupine.CheckOperations(kvModel, history) {
			t.Errorf("%s passes", name)
		}
	}
	if !porcupine.CheckOperations(kvModel, []porcupine.Operation{set(one, extlibs.Value{}, 1, 4), load(one, 2, 3), load(extlibs.Value{}, 1, 2)}) {
		t.Error("a possible history does not pass")
	}
}
