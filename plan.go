package extlibs

// plan is what becomes of one key in a batch: the entry that the store holds,
// and the one that it shall hold. A batch decides about all of its operations
// before the first key changes; so one that fails leaves no trace, and nobody
// sees a key in a state between two operations.
type plan struct {
	key     string
	first   OpKind   // of the operations on it
	existed bool     // in the store, expired, damaged or not
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

// grows returns how many live keys more there are once the plan is carried out:
// 1, 0 or -1.
func (p *plan) grows(now int64) (n int64) {
	if !p.next.live(now).IsZero() {
		n++
	}
	if !p.was.live(now).IsZero() {
		n--
	}
	return n
}
