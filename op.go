package extlibs

import (
	"math"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// OpKind is the kind of an Op.
type OpKind uint8

// The operations. Next says exactly what each of them means.
const (
	OpSet        OpKind = iota + 1 // store Value with TTL
	OpAdd                          // store Value with TTL if the key is absent
	OpSwap                         // store Value if the live value is Old, keeping the remaining time; a zero Old means absent
	OpSwapTTL                      // OpSwap, but with TTL instead of the remaining time
	OpDelete                       // remove
	OpDeleteIf                     // remove if the live value is Old
	OpExpire                       // give a live key TTL, keeping its value
	OpIncr                         // add the number in Value, keeping the remaining time; absent counts as 0 and takes TTL
	OpIncrInt                      // OpIncr, but a float under the key is an error
	OpCheck                        // change nothing; it applies if the live value is Old; a zero Old means absent
	OpSetKeepTTL                   // store Value, keeping the remaining time; an absent key takes TTL
)

// Op is a change of one key, or a condition on it. It is data, so it can be part of a batch,
// be retried, or be sent to a server.
//
// With Must, its condition applies to the whole call: if it does not hold, the call does
// nothing and returns ErrConflict. Thus a batch of OpCheck, OpSwap, OpAdd and OpDeleteIf with
// Must changes several keys only if none of them has changed since it was read.
type Op struct {
	Kind    OpKind
	Key     string
	Value   Value
	Old     Value         // of OpSwap, OpSwapTTL, OpDeleteIf and OpCheck
	TTL     time.Duration // 0: no expiry
	NeedOld bool          // the caller wants Result.Old
	Must    bool          // if it does not apply, the whole call does nothing: ErrConflict
}

// KeepTTL, as the ttl of Handle.Set, SetAs, Handle.SetMany and Handle.CompareAndSwap, keeps
// the remaining time of the key; an absent key gets no expiry. Other calls refuse it.
const KeepTTL time.Duration = -1

// readsValue reports whether what op does, or its result, depends on more of the
// live value than that there is one.
func (op *Op) readsValue() bool {
	switch op.Kind {
	case OpSet, OpSetKeepTTL, OpAdd, OpDelete:
		return op.NeedOld
	case OpCheck:
		return op.NeedOld || !op.Old.IsZero()
	}
	return true
}

// setOp returns the operation that stores a value with a ttl, which can be KeepTTL.
func setOp(key string, value Value, ttl time.Duration) Op {
	if ttl == KeepTTL {
		return Op{Kind: OpSetKeepTTL, Key: key, Value: value}
	}
	return Op{Kind: OpSet, Key: key, Value: value, TTL: ttl}
}

// Result is the result of an Op.
type Result struct {
	Applied bool  // whether its condition held; always true for OpSet, OpSetKeepTTL, OpIncr and OpIncrInt
	Old     Value // if Op.NeedOld: the previous live value, if there was one
	New     Value // the value that the op stored, if it stored one
}

// Outcome is what an Op does to the entry that it found.
type Outcome uint8

// The outcomes of Op.Next.
const (
	OutcomeKeep       Outcome = iota // leave the entry unchanged
	OutcomePut                       // store Result.New with the op's TTL
	OutcomePutKeepTTL                // store Result.New with the remaining ttl; as OutcomePut if there was no live entry
	OutcomeTouch                     // keep the value, give it the op's TTL
	OutcomeRemove                    // remove the entry
)

// Next returns what op does to a key with the live value old, which is zero if the key is
// absent or expired. It is the single definition of the operations: a backend calls it
// with the value that it found, in the critical section or transaction in which it stores
// the outcome. A value that is not a number, an overflow, and a condition with Must that does
// not hold are errors, which end the batch: nothing of it is stored.
func (op *Op) Next(old Value) (r Result, o Outcome, err error) {
	absent := old.IsZero()
	if op.NeedOld {
		r.Old = old
	}
	switch op.Kind {
	case OpSet:
		r.Applied, r.New, o = true, op.Value, OutcomePut
	case OpSetKeepTTL:
		r.Applied, r.New, o = true, op.Value, OutcomePutKeepTTL
	case OpAdd:
		if absent {
			r.Applied, r.New, o = true, op.Value, OutcomePut
		}
	case OpSwap:
		if old == op.Old {
			r.Applied, r.New, o = true, op.Value, OutcomePutKeepTTL
		}
	case OpSwapTTL:
		if old == op.Old {
			r.Applied, r.New, o = true, op.Value, OutcomePut
		}
	case OpDelete:
		if !absent {
			r.Applied, o = true, OutcomeRemove
		}
	case OpDeleteIf:
		if !absent && old == op.Old {
			r.Applied, o = true, OutcomeRemove
		}
	case OpExpire:
		if !absent {
			r.Applied, o = true, OutcomeTouch
		}
	case OpCheck:
		r.Applied = old == op.Old
	case OpIncr, OpIncrInt:
		if absent {
			if _, err := op.Value.number(); err != nil {
				return Result{}, OutcomeKeep, err
			}
			r.Applied, r.New, o = true, op.Value, OutcomePut
			break
		}
		if op.Kind == OpIncrInt {
			if n, err := old.number(); err == nil && n.IsFloat {
				return Result{}, OutcomeKeep, kverr.Errorf(ErrType, "the number is a float, and is unchanged; use OpIncr")
			}
		}
		sum, err := addNumbers(old, op.Value)
		if err != nil {
			return Result{}, OutcomeKeep, err
		}
		r.Applied, r.New, o = true, sum, OutcomePutKeepTTL
	default:
		return Result{}, OutcomeKeep, kverr.Errorf(ErrInvalid, "unknown operation %d", op.Kind)
	}
	if op.Must && !r.Applied {
		return Result{}, OutcomeKeep, errConflict
	}
	return r, o, nil
}

var errConflict = kverr.Errorf(ErrConflict, "a condition of the call (Op.Must) does not hold, so nothing was done; read the keys again")

// keyState is what a backend of our own holds under a key. Its deadline is in the
// backend's own time; 0 is none.
type keyState struct {
	value    Value // none: nothing is stored
	deadline int64
}

// live returns the value unless it has expired.
func (e keyState) live(now int64) Value {
	if e.deadline != 0 && e.deadline <= now {
		return Value{}
	}
	return e.value
}

// lastDeadline is the latest deadline. The clocks of the backends end before it, so
// that a key with this deadline does not expire.
const lastDeadline = math.MaxInt64 - 1

// deadlineAfter is the deadline of a ttl that begins at now, which is not negative.
func deadlineAfter(now int64, ttl time.Duration) int64 {
	if deadline := now + int64(ttl); deadline > 0 && deadline < lastDeadline {
		return deadline
	}
	return lastDeadline
}

// transition says what op does to the entry that a backend holds, expired or
// not: what it shall hold next, and whether that is a change. It is Next for
// backends with deadlines.
func (op *Op) transition(was keyState, now int64) (next keyState, r Result, changed bool, err error) {
	live := was.live(now)
	r, outcome, err := op.Next(live)
	switch {
	case err != nil || outcome == OutcomeKeep:
		return was, r, false, err
	case outcome == OutcomeRemove:
		return keyState{}, r, true, nil
	case outcome == OutcomePutKeepTTL && !live.IsZero():
		return keyState{r.New, was.deadline}, r, true, nil
	}
	next = keyState{value: r.New}
	if outcome == OutcomeTouch {
		next.value = live
	}
	if op.TTL != 0 {
		next.deadline = deadlineAfter(now, op.TTL)
	}
	return next, r, true, nil
}

// plan is what a batch does to the entry of one key in memory. A batch decides about all
// operations before the first key changes, so that one that fails changes nothing.
type plan struct {
	key     string
	was     keyState // as the store holds it
	next    keyState
	changed bool
}

// step adds an operation to the plan.
func (p *plan) step(op *Op, now int64) (Result, error) {
	next, result, changed, err := op.transition(p.next, now)
	if err != nil {
		return Result{}, err
	}
	p.next = next
	p.changed = p.changed || changed
	return result, nil
}
