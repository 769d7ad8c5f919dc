package storetest

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// A Model is a simple store that meets the requirements: a map, and a clock that only Advance
// moves. Tests compare stores with it. It shares no code with [extlibs.Op.Next] or with any
// store, so it does not repeat their mistakes.
type Model struct {
	now  time.Duration
	keys map[string]modelEntry
}

type modelEntry struct {
	value extlibs.Value
	end   time.Duration // 0: none
}

// NewModel returns the model of an empty store.
func NewModel() *Model { return &Model{keys: map[string]modelEntry{}} }

// Clone returns a copy, for a batch that may fail.
func (m *Model) Clone() *Model { return &Model{m.now, maps.Clone(m.keys)} }

// Advance moves the clock.
func (m *Model) Advance(d time.Duration) { m.now += d }

// Clear removes all keys.
func (m *Model) Clear() { clear(m.keys) }

func (m *Model) find(key string) (modelEntry, bool) {
	e, ok := m.keys[key]
	return e, ok && (e.end == 0 || e.end > m.now)
}

// Load returns the entry of a live key, and reports whether it exists.
func (m *Model) Load(key string) (extlibs.Entry, bool) {
	e, ok := m.find(key)
	if !ok {
		return extlibs.Entry{}, false
	}
	return extlibs.Entry{Key: key, Value: e.value, TTL: max(0, e.end-m.now)}, true
}

// Keys returns the live keys in their order.
func (m *Model) Keys() []string {
	keys := slices.Sorted(maps.Keys(m.keys))
	return slices.DeleteFunc(keys, func(key string) bool { _, live := m.find(key); return !live })
}

// Apply carries out one operation. An error changes nothing.
func (m *Model) Apply(op extlibs.Op) (extlibs.Result, error) {
	if !op.Must {
		return m.apply(op)
	}
	next := m.Clone()
	r, err := next.apply(op)
	switch {
	case err != nil:
		return extlibs.Result{}, err
	case !r.Applied:
		return extlibs.Result{}, extlibs.ErrConflict
	}
	m.keys = next.keys
	return r, nil
}

func (m *Model) apply(op extlibs.Op) (extlibs.Result, error) {
	e, exists := m.find(op.Key)
	end := time.Duration(0)
	if op.TTL != 0 {
		end = m.now + op.TTL
	}
	var applied, keepsEnd bool
	value := op.Value // none: the operation stores none
	switch op.Kind {
	case extlibs.OpSet, extlibs.OpSetKeepTTL:
		applied, keepsEnd = true, op.Kind == extlibs.OpSetKeepTTL
	case extlibs.OpAdd:
		applied = !exists
	case extlibs.OpSwap, extlibs.OpSwapTTL:
		applied = e.value == op.Old && exists || !exists && op.Old.IsZero()
		keepsEnd = op.Kind == extlibs.OpSwap
	case extlibs.OpDelete, extlibs.OpDeleteIf:
		if applied = exists && (op.Kind == extlibs.OpDelete || e.value == op.Old); applied {
			delete(m.keys, op.Key)
		}
		return m.result(op, e, exists, applied, extlibs.Value{}), nil
	case extlibs.OpCheck:
		same := exists == !op.Old.IsZero() && (!exists || e.value == op.Old)
		return m.result(op, e, exists, same, extlibs.Value{}), nil
	case extlibs.OpExpire:
		if exists {
			m.keys[op.Key] = modelEntry{e.value, end}
		}
		return m.result(op, e, exists, exists, extlibs.Value{}), nil
	case extlibs.OpIncr, extlibs.OpIncrInt:
		var err error
		if value, err = m.sum(op, e.value, exists); err != nil {
			return extlibs.Result{}, err
		}
		applied, keepsEnd = true, true
	default:
		return extlibs.Result{}, extlibs.ErrInvalid
	}
	if !applied {
		return m.result(op, e, exists, false, extlibs.Value{}), nil
	}
	if keepsEnd && exists {
		end = e.end
	}
	m.keys[op.Key] = modelEntry{value, end}
	return m.result(op, e, exists, true, value), nil
}

func (m *Model) result(op extlibs.Op, e modelEntry, exists, applied bool, stored extlibs.Value) extlibs.Result {
	r := extlibs.Result{Applied: applied, New: stored}
	if op.NeedOld && exists {
		r.Old = e.value
	}
	return r
}

// sum is what an increment stores. An int and a float make a float.
func (m *Model) sum(op extlibs.Op, old extlibs.Value, exists bool) (extlibs.Value, error) {
	delta, err := op.Value.Decode()
	if err != nil {
		return extlibs.Value{}, err
	}
	d, dIsInt := delta.(int64)
	f, dIsFloat := delta.(float64)
	if !dIsInt && !dIsFloat {
		return extlibs.Value{}, extlibs.ErrType
	}
	if !exists {
		return op.Value, nil
	}
	number, err := old.Decode()
	if err != nil {
		return extlibs.Value{}, err
	}
	switch n := number.(type) {
	case int64:
		if dIsFloat {
			return encodeFloat(float64(n) + f)
		}
		if sum := n + d; cmp.Compare(sum, n) == cmp.Compare(d, 0) { // it did not wrap around
			return extlibs.Encode(sum)
		}
		return extlibs.Value{}, extlibs.ErrOverflow
	case float64:
		if op.Kind == extlibs.OpIncrInt {
			return extlibs.Value{}, extlibs.ErrType
		}
		if dIsInt {
			f = float64(d)
		}
		return encodeFloat(n + f)
	}
	return extlibs.Value{}, extlibs.ErrType
}

// encodeFloat encodes a sum. All sums that are not a number are the same value.
func encodeFloat(f float64) (extlibs.Value, error) {
	if math.IsNaN(f) {
		f = math.NaN()
	}
	return extlibs.Encode(f)
}

// ApplyMany carries out operations in their order: all of them or, if one fails, none.
func (m *Model) ApplyMany(ops []extlibs.Op) ([]extlibs.Result, error) {
	next, results := m.Clone(), make([]extlibs.Result, len(ops))
	for i, op := range ops {
		var err error
		if results[i], err = next.Apply(op); err != nil {
			return nil, err
		}
	}
	m.keys = next.keys
	return results, nil
}
