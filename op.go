package extlibs

import (
	"math"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// OpKind says what an Op does.
type OpKind uint8

// The operations. Next says exactly what each of them means.
const (
	OpSet     OpKind = iota + 1 // store Value with TTL
	OpAdd                       // store Value with TTL if the key is absent
	OpSwap                      // store Value if the value is Old, keeping the time left; the zero Old is absent
	OpDelete                    // remove
	OpExpire                    // give a live key TTL, keeping its value
	OpIncr                      // add the number in Value, keeping the time left; absent counts as 0 and takes TTL
	OpIncrInt                   // OpIncr, but a float under the key is an error
)

// Op is one change of one key. It is data, not code, so that it can be queued,
// grouped with others in one commit, or sent to a server.
type Op struct {
	Kind  OpKind
	Key   string
	Value Value
	Old   Value
	TTL   time.Duration // 0: no expiry
}

// Result is what an Op did.
type Result struct {
	Applied bool  // whether its condition held; always true for OpSet and OpIncr
	Old     Value // the live value before; zero if there was none
	New     Value // the value after it; zero if there is none
}

// Outcome is what becomes of the entry that an Op found.
type Outcome uint8

// The outcomes of Op.Next.
const (
	Keep    Outcome = iota // leave the entry as it is
	Put                    // store Result.New with the op's TTL
	PutKeep                // store Result.New with the time left
	Remove                 // remove the entry
)

// Next says what op makes of the live value old (zero if the key is absent or
// expired). It is the one place that defines the operations: a backend calls it
// with the value it found, in the same critical section or transaction in which
// it stores the outcome. A value that is not a number, and an overflow, are
// errors.
func (op *Op) Next(old Value) (Result, Outcome, error) {
	absent := old.IsZero()
	switch op.Kind {
	case OpSet:
		return Result{Applied: true, Old: old, New: op.Value}, Put, nil
	case OpAdd:
		if absent {
			return Result{Applied: true, New: op.Value}, Put, nil
		}
	case OpSwap:
		if old == op.Old {
			return Result{Applied: true, Old: old, New: op.Value}, PutKeep, nil
		}
	case OpDelete:
		if !absent {
			return Result{Applied: true, Old: old}, Remove, nil
		}
	case OpExpire:
		if !absent {
			return Result{Applied: true, Old: old, New: old}, Put, nil
		}
	case OpIncr, OpIncrInt:
		if absent {
			if _, err := op.Value.number(); err != nil {
				return Result{}, Keep, err
			}
			return Result{Applied: true, New: op.Value}, Put, nil
		}
		if op.Kind == OpIncrInt {
			if n, err := old.number(); err == nil && n.isFloat {
				return Result{}, Keep, kverr.Errorf(ErrType, "the number is a float; it is unchanged")
			}
		}
		sum, err := addNumbers(old, op.Value)
		if err != nil {
			return Result{}, Keep, err
		}
		return Result{Applied: true, Old: old, New: sum}, PutKeep, nil
	default:
		return Result{}, Keep, kverr.Errorf(ErrInvalid, "unknown operation %d", op.Kind)
	}
	return Result{Old: old, New: old}, Keep, nil
}

// addNumbers adds two encoded numbers: int and int give an int, anything else a
// float.
func addNumbers(a, b Value) (Value, error) {
	x, err := a.number()
	if err != nil {
		return Value{}, err
	}
	y, err := b.number()
	if err != nil {
		return Value{}, err
	}
	if x.isFloat || y.isFloat {
		return encodeFloat(x.float() + y.float()), nil
	}
	if (y.i > 0 && x.i > math.MaxInt64-y.i) || (y.i < 0 && x.i < math.MinInt64-y.i) {
		return Value{}, kverr.Errorf(ErrOverflow, "the sum is beyond a 64-bit int; the value is unchanged")
	}
	return encodeInt(x.i + y.i), nil
}
