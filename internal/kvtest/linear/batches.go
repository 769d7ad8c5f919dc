package linear

import (
	"context"
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

// BatchOutcome is what a call on several keys returned.
type BatchOutcome struct {
	Unknown  bool // the call may have taken effect at any time after it began, or never
	Failed   bool // because of the type of a value; nothing changed
	Conflict bool // a condition did not hold; nothing changed
	Results  []extlibs.Result
}

// BatchModel says which answers several keys may give, one call after the other. The inputs
// are lists of operations, which are one batch; those without a kind are one LoadMany.
var BatchModel = porcupine.Model{
	Init:  func() any { return map[string]extlibs.Value{} },
	Equal: func(a, b any) bool { return maps.Equal(a.(map[string]extlibs.Value), b.(map[string]extlibs.Value)) },
	Step: func(state, input, output any) (bool, any) {
		now, ops, got := state.(map[string]extlibs.Value), input.([]extlibs.Op), output.(BatchOutcome)
		if ops[0].Kind == 0 {
			return got.Unknown || slices.Equal(got.Results, loaded(now, ops)), now
		}
		m := storetest.NewModel()
		for key, value := range now {
			if _, err := m.Apply(extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: value}); err != nil {
				panic(err)
			}
		}
		want, err := m.ApplyMany(ops)
		if err != nil {
			return got.Unknown || got.Failed && !errors.Is(err, extlibs.ErrConflict) || got.Conflict && errors.Is(err, extlibs.ErrConflict), now
		}
		next := map[string]extlibs.Value{}
		for _, key := range m.Keys() {
			e, _ := m.Load(key)
			next[key] = e.Value
		}
		return got.Unknown || !got.Failed && !got.Conflict && slices.Equal(got.Results, want), next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// loaded is what a LoadMany of the keys of ops returns.
func loaded(now map[string]extlibs.Value, ops []extlibs.Op) []extlibs.Result {
	results := make([]extlibs.Result, len(ops))
	for i, op := range ops {
		results[i].Old = now[op.Key]
	}
	return results
}

// BatchHistory is History for calls on several keys. Half of the batches change keys on the
// condition that others are as the client last saw them.
func BatchHistory(t testing.TB, c Config) (history []porcupine.Operation, notDone int) {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for client := range c.Clients {
		r := c.Rand(uint64(client))
		wg.Go(func() {
			seen := map[string]extlibs.Value{}
			for i := range c.Calls {
				ops := randomBatch(t, r, c.Keys, seen)
				if c.Before != nil {
					c.Before(client, i, r)
				}
				call := time.Since(began)
				out, err := callBatch(c.Store, ops, seen)
				end := int64(time.Since(began))
				mu.Lock()
				switch {
				case errors.Is(err, extlibs.ErrUnavailable):
					notDone++
					mu.Unlock()
					time.Sleep(time.Millisecond) // the client connects again
					continue
				case errors.Is(err, extlibs.ErrCommitUnknown):
					out, end = BatchOutcome{Unknown: true}, math.MaxInt64
				case err != nil:
					t.Errorf("%+v: %v", ops, err)
				}
				history = append(history, porcupine.Operation{ClientId: client, Input: ops, Call: int64(call), Output: out, Return: end})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return history, notDone
}

// randomBatch returns operations on one to three keys, or keys to load.
func randomBatch(t testing.TB, r *rand.Rand, keys []string, seen map[string]extlibs.Value) (ops []extlibs.Op) {
	kind := r.IntN(4)
	for range 1 + r.IntN(3) {
		op := randomOp(t, r, keys)
		switch {
		case kind == 0:
			op = extlibs.Op{Key: op.Key}
		case kind < 3 && r.IntN(2) == 0: // as update_many has it
			op = extlibs.Op{Kind: extlibs.OpCheck, Key: op.Key, Old: seen[op.Key], Must: true}
		case op.Kind == 0:
			op = extlibs.Op{Kind: extlibs.OpDelete, Key: op.Key}
		}
		ops = append(ops, op)
	}
	return ops
}

// callBatch makes a call, and notes in seen what it learns about the keys.
func callBatch(st extlibs.Store, ops []extlibs.Op, seen map[string]extlibs.Value) (BatchOutcome, error) {
	ctx := context.Background()
	if ops[0].Kind == 0 {
		keys := make([]string, len(ops))
		for i, op := range ops {
			keys[i] = op.Key
		}
		entries, err := st.LoadMany(ctx, slices.Compact(slices.Sorted(slices.Values(keys))), extlibs.NeedValue)
		if err != nil {
			return BatchOutcome{}, err
		}
		now := map[string]extlibs.Value{}
		for _, e := range entries {
			now[e.Key] = e.Value
		}
		for _, key := range keys {
			seen[key] = now[key]
		}
		return BatchOutcome{Results: loaded(now, ops)}, nil
	}
	results, err := st.ApplyMany(ctx, ops)
	switch {
	case errors.Is(err, extlibs.ErrType):
		return BatchOutcome{Failed: true}, nil
	case errors.Is(err, extlibs.ErrConflict):
		return BatchOutcome{Conflict: true}, nil
	}
	return BatchOutcome{Results: results}, err
}

// CheckBatches is Check for a history of calls on several keys.
func CheckBatches(t testing.TB, history []porcupine.Operation) {
	t.Helper()
	check(t, BatchModel, history)
}
