package redisstore_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/scriptling-kv/extlibs"
)

// outcome is what a call returned. One that is unknown may have been done at any
// time since it began, or may yet be: its end is at infinity, where nobody sees it.
type outcome struct {
	unknown bool
	failed  bool // by the type of the value
	result  extlibs.Result
}

var model = porcupine.Model{
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
		now, op, got := state.(extlibs.Value), input.(extlibs.Op), output.(outcome)
		if op.Kind == 0 {
			return got.unknown || got.result.Old == now, now
		}
		want, effect, err := op.Next(now)
		next := now
		switch {
		case err != nil:
			return got.unknown || got.failed, now
		case effect == extlibs.OutcomePut || effect == extlibs.OutcomePutKeepTTL:
			next = want.New
		case effect == extlibs.OutcomeRemove:
			next = extlibs.Value{}
		}
		return got.unknown || !got.failed && got.result == want, next
	},
}

// Cuts before and after requests make some outcomes unknown; a call that is said
// not to be done is left out, so that its effect would be one without a cause.
func TestHistoriesWithCutsAreLinearizable(t *testing.T) {
	s := startServer(t)
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	p := startProxy(t, s.addr)
	h := openHandle(t, "redis://"+p.Addr().String()+"/0/"+newName(), extlibs.SweepInterval(time.Hour))
	unknown, refused := 0, 0
	for round := range rounds {
		history, notDone := cutHistory(t, h.Store(), p, fmt.Sprint(round))
		refused += notDone
		for _, op := range history {
			if op.Output.(outcome).unknown {
				unknown++
			}
		}
		if result := porcupine.CheckOperationsTimeout(model, history, 20*time.Second); result != porcupine.Ok {
			for _, op := range history {
				t.Logf("client %d, %d to %d: %+v -> %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
			}
			t.Fatalf("round %d: the checker says %s", round, result)
		}
	}
	if unknown == 0 {
		t.Error("no outcome was unknown: this shows nothing")
	}
	t.Logf("%d outcomes were unknown, %d calls were not done", unknown, refused)
}

func cutHistory(t *testing.T, st extlibs.Store, p *proxy, round string) (history []porcupine.Operation, notDone int) {
	const clients, calls = 4, 12
	values := []extlibs.Value{set("", 1).Value, set("", 2).Value, set("", "text").Value}
	began := time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for i := range calls {
				op := extlibs.Op{Kind: extlibs.OpKind(rand.N(10)), Key: round + "-" + fmt.Sprint(rand.N(2)), NeedOld: true}
				switch op.Kind {
				case extlibs.OpExpire:
					op.Kind = 0
				case extlibs.OpIncr, extlibs.OpIncrInt:
					op.Value = values[rand.N(2)]
				case extlibs.OpSwap, extlibs.OpSwapTTL:
					op.Value, op.Old = values[rand.N(3)], values[rand.N(3)]
				case extlibs.OpDeleteIf:
					op.Old = values[rand.N(3)]
				case extlibs.OpDelete:
				default:
					op.Value = values[rand.N(3)]
				}
				if client == 0 && i%5 == 2 {
					p.cutNext([]string{"before", "after"}[rand.N(2)])
				}
				call := time.Since(began)
				out, err := makeCall(t, st, op)
				end := int64(time.Since(began))
				mu.Lock()
				switch {
				case errors.Is(err, extlibs.ErrUnavailable):
					notDone++
					mu.Unlock()
					time.Sleep(time.Millisecond) // the client connects again
					continue
				case errors.Is(err, extlibs.ErrCommitUnknown):
					out, end = outcome{unknown: true}, math.MaxInt64
				case err != nil:
					t.Errorf("%+v: %v", op, err)
				}
				history = append(history, porcupine.Operation{ClientId: client, Input: op, Call: int64(call), Output: out, Return: end})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	p.cutNext("")
	return history, notDone
}

func makeCall(t *testing.T, st extlibs.Store, op extlibs.Op) (outcome, error) {
	if op.Kind == 0 {
		e, err := st.Load(t.Context(), op.Key, extlibs.NeedValue)
		if errors.Is(err, extlibs.ErrNotFound) {
			err = nil
		}
		return outcome{result: extlibs.Result{Old: e.Value}}, err
	}
	r, err := st.Apply(t.Context(), op)
	if errors.Is(err, extlibs.ErrType) {
		return outcome{failed: true}, nil
	}
	return outcome{result: r}, err
}

func TestTheModelRefusesImpossibleHistories(t *testing.T) {
	one, two := set("k", 1), set("k", 2)
	wrote := func(op extlibs.Op, old extlibs.Value, call, end int64) porcupine.Operation {
		op.NeedOld = true
		return porcupine.Operation{Input: op, Call: call, Return: end, Output: outcome{result: extlibs.Result{Applied: true, Old: old, New: op.Value}}}
	}
	maybe := func(op extlibs.Op, call int64) porcupine.Operation {
		return porcupine.Operation{Input: op, Call: call, Return: math.MaxInt64, Output: outcome{unknown: true}}
	}
	read := func(v extlibs.Value, call, end int64) porcupine.Operation {
		return porcupine.Operation{ClientId: 1, Input: extlibs.Op{Key: "k"}, Call: call, Return: end, Output: outcome{result: extlibs.Result{Old: v}}}
	}
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"a lost write":                        {[]porcupine.Operation{wrote(one, extlibs.Value{}, 1, 2), read(extlibs.Value{}, 3, 4)}, false},
		"a write without a cause":             {[]porcupine.Operation{read(one.Value, 1, 2)}, false},
		"an unknown write, seen":              {[]porcupine.Operation{maybe(one, 1), read(one.Value, 3, 4)}, true},
		"an unknown write, not seen":          {[]porcupine.Operation{maybe(one, 1), read(extlibs.Value{}, 3, 4)}, true},
		"an unknown write that comes late":    {[]porcupine.Operation{maybe(one, 1), read(extlibs.Value{}, 3, 4), read(one.Value, 5, 6)}, true},
		"an unknown write that is taken back": {[]porcupine.Operation{maybe(one, 1), read(one.Value, 3, 4), read(extlibs.Value{}, 5, 6)}, false},
		"an unknown write that comes twice":   {[]porcupine.Operation{maybe(one, 1), read(one.Value, 3, 4), wrote(two, one.Value, 5, 6), read(one.Value, 7, 8)}, false},
	} {
		if porcupine.CheckOperations(model, c.history) != c.want {
			t.Errorf("%s: the model says %t", name, !c.want)
		}
	}
}
