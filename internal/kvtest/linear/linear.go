// Package linear checks linearizability: whether some order of the calls on a store explains
// their results.
package linear

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/storetest"
)

// Outcome is what a call returned.
type Outcome struct {
	Unknown  bool // the call may have taken effect at any time after it began, or never
	Failed   bool // because of the type of a value; nothing changed
	Conflict bool // a condition did not hold; nothing changed
	Results  []extlibs.Result
}

// Calls are the kind of calls that a history has. Their inputs are lists of operations; a
// list of operations without a kind loads their keys.
type Calls struct {
	// Model says which answers a store may give, one call after the other.
	Model porcupine.Model
	next  func(testing.TB, *client) []extlibs.Op
	do    func(*client, []extlibs.Op) ([]extlibs.Result, error)
}

// OneKey are calls on single keys, of which a part are batches of one.
var OneKey = Calls{modelOf(byKey), nextOne, doOne}

// Batches are calls on several keys. Half of the changes have conditions that keys are as
// the client last saw them.
var Batches = Calls{modelOf(nil), nextBatch, doBatch}

// byKey divides a history of calls on single keys.
func byKey(history []porcupine.Operation) [][]porcupine.Operation {
	keys := map[string][]porcupine.Operation{}
	for _, op := range history {
		key := op.Input.([]extlibs.Op)[0].Key
		keys[key] = append(keys[key], op)
	}
	return slices.Collect(maps.Values(keys))
}

func modelOf(partition func([]porcupine.Operation) [][]porcupine.Operation) porcupine.Model {
	return porcupine.Model{
		Partition: partition,
		Init:      func() any { return map[string]extlibs.Value{} },
		Equal:     func(a, b any) bool { return maps.Equal(a.(map[string]extlibs.Value), b.(map[string]extlibs.Value)) },
		Step: func(state, input, output any) (bool, any) {
			return step(state.(map[string]extlibs.Value), input.([]extlibs.Op), output.(Outcome))
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
	}
}

// step returns whether a call can return got, and what the keys hold after it.
func step(now map[string]extlibs.Value, ops []extlibs.Op, got Outcome) (bool, map[string]extlibs.Value) {
	if ops[0].Kind == 0 {
		return got.Unknown || !got.Failed && !got.Conflict && slices.Equal(got.Results, loaded(now, ops)), now
	}
	m := storetest.NewModel()
	for key, value := range now {
		if _, err := m.Apply(extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: value}); err != nil {
			panic(err)
		}
	}
	want, err := m.ApplyMany(ops)
	if err != nil {
		conflict := errors.Is(err, extlibs.ErrConflict)
		return got.Unknown || got.Failed && !conflict || got.Conflict && conflict, now
	}
	next := map[string]extlibs.Value{}
	for _, key := range m.Keys() {
		e, _ := m.Load(key)
		next[key] = e.Value
	}
	return got.Unknown || !got.Failed && !got.Conflict && slices.Equal(got.Results, want), next
}

// loaded is what a LoadMany of the keys of ops returns.
func loaded(now map[string]extlibs.Value, ops []extlibs.Op) []extlibs.Result {
	results := make([]extlibs.Result, len(ops))
	for i, op := range ops {
		results[i].Old = now[op.Key]
	}
	return results
}

// Config says which calls a history has.
type Config struct {
	Store         extlibs.Store
	Clients, Each int // clients, and calls of each
	Keys          []string
	Rand          func(client uint64) *rand.Rand
	Before        func(client, call int, r *rand.Rand) // is called before each call, unless nil
}

// History lets clients make random calls at the same time, and returns what they answered.
// notDone counts calls that certainly were not carried out and are not in it: if one of them
// had an effect, no call would explain it.
func (c Calls) History(t testing.TB, of Config) (history []porcupine.Operation, notDone int) {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for id := range of.Clients {
		r := of.Rand(uint64(id))
		wg.Go(func() {
			client := &client{store: of.Store, keys: of.Keys, r: r, seen: map[string]extlibs.Value{}}
			for i := range of.Each {
				ops := c.next(t, client)
				if of.Before != nil {
					of.Before(id, i, r)
				}
				call := time.Since(began)
				results, err := c.do(client, ops)
				end := int64(time.Since(began))
				out := Outcome{Results: results}
				mu.Lock()
				switch {
				case errors.Is(err, extlibs.ErrUnavailable):
					notDone++
					mu.Unlock()
					time.Sleep(time.Millisecond) // the client connects again
					continue
				case errors.Is(err, extlibs.ErrCommitUnknown):
					out, end = Outcome{Unknown: true}, math.MaxInt64
				case errors.Is(err, extlibs.ErrType):
					out = Outcome{Failed: true}
				case errors.Is(err, extlibs.ErrConflict):
					out = Outcome{Conflict: true}
				case err != nil:
					t.Errorf("%+v: %v", ops, err)
				}
				history = append(history, porcupine.Operation{ClientId: id, Input: ops, Call: int64(call), Output: out, Return: end})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return history, notDone
}

// Check fails the test unless some order of the calls explains a history.
func (c Calls) Check(t testing.TB, history []porcupine.Operation) {
	t.Helper()
	if result := porcupine.CheckOperationsTimeout(c.Model, history, 20*time.Second); result != porcupine.Ok {
		for _, op := range history {
			t.Logf("client %d, %d to %d: %+v -> %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
		}
		t.Fatalf("the checker says %s", result)
	}
}
