package linear

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

// client makes one call after the other.
type client struct {
	store extlibs.Store
	keys  []string
	r     *rand.Rand
	seen  map[string]extlibs.Value // what it has last loaded
}

func nextOne(t testing.TB, c *client) []extlibs.Op { return []extlibs.Op{c.randomOp(t)} }

// nextBatch returns operations on one to three keys, or keys to load.
func nextBatch(t testing.TB, c *client) (ops []extlibs.Op) {
	kind := c.r.IntN(4)
	for range 1 + c.r.IntN(3) {
		op := c.randomOp(t)
		switch {
		case kind == 0:
			op = extlibs.Op{Key: op.Key}
		case kind < 3 && c.r.IntN(2) == 0: // as update_many has it
			op = extlibs.Op{Kind: extlibs.OpCheck, Key: op.Key, Old: c.seen[op.Key], Must: true}
		case op.Kind == 0:
			op = extlibs.Op{Kind: extlibs.OpDelete, Key: op.Key}
		}
		ops = append(ops, op)
	}
	return ops
}

// randomOp returns an operation; one without a kind loads its key.
func (c *client) randomOp(t testing.TB) extlibs.Op {
	value := func(numbers bool) extlibs.Value {
		values := []any{1, 2, 3, "text"}
		if numbers {
			values = values[:3]
		}
		e, err := extlibs.Encode(values[c.r.IntN(len(values))])
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	op := extlibs.Op{Kind: extlibs.OpKind(c.r.IntN(int(extlibs.OpCheck) + 1)), Key: c.keys[c.r.IntN(len(c.keys))], NeedOld: true}
	switch op.Kind {
	case extlibs.OpExpire:
		op.Kind = 0
	case extlibs.OpSet, extlibs.OpAdd:
		if op.Kind == extlibs.OpSet && c.r.IntN(3) == 0 {
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

// doOne makes some of the calls as a batch of one, which has to be the same.
func doOne(c *client, ops []extlibs.Op) ([]extlibs.Result, error) {
	ctx := context.Background()
	switch op := ops[0]; {
	case c.r.IntN(3) == 0:
		return doBatch(c, ops)
	case op.Kind == 0:
		e, err := c.store.Load(ctx, op.Key, extlibs.NeedValue)
		if errors.Is(err, extlibs.ErrNotFound) {
			err = nil
		}
		return []extlibs.Result{{Old: e.Value}}, err
	default:
		r, err := c.store.Apply(ctx, op)
		return []extlibs.Result{r}, err
	}
}

func doBatch(c *client, ops []extlibs.Op) ([]extlibs.Result, error) {
	ctx := context.Background()
	if ops[0].Kind != 0 {
		return c.store.ApplyMany(ctx, ops)
	}
	keys := make([]string, len(ops))
	for i, op := range ops {
		keys[i] = op.Key
	}
	entries, err := c.store.LoadMany(ctx, slices.Compact(slices.Sorted(slices.Values(keys))), extlibs.NeedValue)
	if err != nil {
		return nil, err
	}
	now := map[string]extlibs.Value{}
	for _, e := range entries {
		now[e.Key] = e.Value
	}
	for _, key := range keys {
		c.seen[key] = now[key]
	}
	return loaded(now, ops), nil
}
