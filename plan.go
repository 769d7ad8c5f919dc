package extlibs

import "time"

// plan is what becomes of one key in a batch: the entry that the store holds,
// and the one that it shall hold. A batch decides about all of its operations
// before the first key changes; so one that fails leaves no trace, and nobody
// sees a key in a state between two operations.
type plan struct {
	key     string
	existed bool // in the store, expired or not
	was     pendingEntry

	exists  bool
	next    pendingEntry
	changed bool
}

// planFor starts with the entry that a store holds. Deadlines are in the store's
// own time.
func planFor(key string, entry pendingEntry, existed bool) *plan {
	return &plan{key: key, existed: existed, was: entry, exists: existed, next: entry}
}

// step adds an operation to the plan.
func (p *plan) step(op *Op, now int64) (Result, error) {
	var current Value
	if p.exists && (p.next.deadline == 0 || p.next.deadline > now) {
		current = p.next.value
	}
	result, outcome, err := op.Next(current)
	if err != nil {
		return Result{}, err
	}
	switch outcome {
	case Keep:
		return result, nil
	case Remove:
		p.exists, p.next = false, pendingEntry{}
	case Put, PutKeep:
		p.exists = true
		p.next.value = result.New
		if outcome == Put || current.IsZero() {
			p.next.deadline = deadlineAfter(op.TTL, now)
		}
	}
	p.changed = true
	return result, nil
}

func deadlineAfter(ttl time.Duration, now int64) int64 {
	if ttl == 0 {
		return 0
	}
	return now + int64(ttl)
}
