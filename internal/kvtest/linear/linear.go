// Package linear asks whether some order of the calls on a store explains their answers.
package linear

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/storetest"
)

// Outcome is what a call returned.
type Outcome struct {
	Unknown bool // the call may have taken effect at any time after it began, or never
	Failed  bool // because of the type of a value; nothing changed
	Result  extlibs.Result
}

// Model says which answers one key may give, one call after the other. The inputs are
// operations; one without a kind is a Load.
var Model = porcupine.Model{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(extlibs.Op).Key
			byKey[key] = append(byKey[key], op)
		}
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return extlibs.Value{} },
	Step: func(state, input, output any) (bool, any) {
		now, op, got := state.(extlibs.Value), input.(extlibs.Op), output.(Outcome)
		if op.Kind == 0 {
			return got.Unknown || got.Result.Old == now, now
		}
		m := storetest.NewModel()
		if !now.IsZero() {
			if _, err := m.Apply(extlibs.Op{Kind: extlibs.OpSet, Key: op.Key, Value: now}); err != nil {
				panic(err)
			}
		}
		want, err := m.Apply(op)
		if err != nil {
			return got.Unknown || got.Failed, now
		}
		next, _ := m.Load(op.Key)
		return got.Unknown || !got.Failed && got.Result == want, next.Value
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// Config says which calls a history has.
type Config struct {
	Store          extlibs.Store
	Clients, Calls int
	Keys           []string
	Rand           func(client uint64) *rand.Rand
	Before         func(client, call int, r *rand.Rand) // is called before each call, unless nil
}

// History lets clients make random calls at the same time, and returns what they answered.
// notDone counts calls that certainly were not carried out and are not in it: their effect
// would be one without a cause.
func History(t testing.TB, c Config) (history []porcupine.Operation, notDone int) {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for client := range c.Clients {
		r := c.Rand(uint64(client))
		wg.Go(func() {
			for i := range c.Calls {
				op := randomOp(t, r, c.Keys)
				if c.Before != nil {
					c.Before(client, i, r)
				}
				call := time.Since(began)
				out, err := makeCall(c.Store, op, r.IntN(3) == 0)
				end := int64(time.Since(began))
				mu.Lock()
				switch {
				case errors.Is(err, extlibs.ErrUnavailable):
					notDone++
					mu.Unlock()
					time.Sleep(time.Millisecond) // the client connects again
					continue
				case errors.Is(err, extlibs.ErrCommitUnknown):
					out, end = Outcome{Unknown: true}, math.MaxInt64
				case err != nil:
					t.Errorf("%+v: %v", op, err)
				}
				history = append(history, porcupine.Operation{ClientId: client, Input: op, Call: int64(call), Output: out, Return: end})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return history, notDone
}

// Check fails the test unless some order of the calls explains a history.
func Check(t testing.TB, history []porcupine.Operation) {
	t.Helper()
	check(t, Model, history)
}

func check(t testing.TB, model porcupine.Model, history []porcupine.Operation) {
	t.Helper()
	if result := porcupine.CheckOperationsTimeout(model, history, 20*time.Second); result != porcupine.Ok {
		for _, op := range history {
			t.Logf("client %d, %d to %d: %+v -> %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
		}
		t.Fatalf("the checker says %s", result)
	}
}

func randomOp(t testing.TB, r *rand.Rand, keys []string) extlibs.Op {
	value := func(numbers bool) extlibs.Value {
		values := []any{1, 2, 3, "text"}
		if numbers {
			values = values[:3]
		}
		e, err := extlibs.Encode(values[r.IntN(len(values))])
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	op := extlibs.Op{Kind: extlibs.OpKind(r.IntN(int(extlibs.OpCheck) + 1)), Key: keys[r.IntN(len(keys))], NeedOld: true}
	switch op.Kind {
	case extlibs.OpExpire:
		op.Kind = 0
	case extlibs.OpSet, extlibs.OpAdd:
		if op.Kind == extlibs.OpSet && r.IntN(3) == 0 {
			op.Kind = extlibs.OpSetKeepTTL
		}
		op.Value = value(false)
	case extlibs.OpIncr, extlibs.OpIncrInt:
		op.Value = value(true)
	case extlibs.OpSwap, extlibs.OpSwapTTL:
		op.Value, op.Old = value(false), value(false)
	case extlibs.OpDeleteIf, extlibs.OpCheck:
		op.Old = value(false)
	}
	return op
}

// makeCall makes some of the calls as a batch of one, which has to be the same.
func makeCall(st extlibs.Store, op extlibs.Op, batch bool) (Outcome, error) {
	ctx := context.Background()
	if op.Kind == 0 {
		e, err := st.Load(ctx, op.Key, extlibs.NeedValue)
		if errors.Is(err, extlibs.ErrNotFound) {
			err = nil
		}
		return Outcome{Result: extlibs.Result{Old: e.Value}}, err
	}
	results := make([]extlibs.Result, 1)
	var err error
	if batch {
		results, err = st.ApplyMany(ctx, []extlibs.Op{op})
	} else {
		results[0], err = st.Apply(ctx, op)
	}
	switch {
	case errors.Is(err, extlibs.ErrType):
		return Outcome{Failed: true}, nil
	case err != nil:
		return Outcome{}, err
	}
	return Outcome{Result: results[0]}, nil
}
