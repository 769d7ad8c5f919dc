package extlibs

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// How often an update runs its function, and from when on it makes way for others.
const (
	updateAttempts = 200
	updateEager    = 4
	updateBackoff  = 100 * time.Microsecond
)

// attempts are the runs of the function of one update. After some failed runs, or if
// others of this process have had as many, the updates of a key take turns (see turns).
type attempts struct {
	h       *Handle
	turns   heldTurns
	queues  bool // it can wait for its turns
	began   time.Time
	longest time.Duration // of the runs
	lost    int           // consecutive failed runs
	losses  int           // turns that took too long
}

// newAttempts returns the attempts of an update of keys. end has to follow.
func (h *Handle) newAttempts(ctx context.Context, keys ...string) attempts {
	return attempts{
		h: h, turns: heldTurns{all: &h.updates, prefix: h.prefix, keys: keys},
		// An update in a function that another call runs does not queue: it might wait for
		// the update that runs it.
		queues: ctx.Value(callbackKey{}) == nil && ctx.Value(computingKey{}) == nil,
	}
}

func (a *attempts) end() { a.turns.leave() }

// begin waits until the function can run again.
func (a *attempts) begin(ctx context.Context) error {
	if create := a.lost >= updateEager; a.queues && a.turns.wants(create) {
		err := unlocked(ctx, func() error { return a.turns.take(ctx, create, a.losses) })
		if err != nil {
			return err
		}
		if len(a.turns.held) > 0 {
			a.lost = 0
		}
	}
	if !a.turns.keep(a.longest) {
		a.turns.leave()
		a.losses++
		a.queues = a.losses < turnLosses
	}
	if a.lost >= updateEager {
		if err := backOff(ctx, a.lost); err != nil {
			return err
		}
	}
	a.began = time.Now()
	return nil
}

// inVain counts a failed run: a key had changed.
func (a *attempts) inVain() {
	a.longest = max(a.longest, time.Since(a.began))
	a.lost++
}

// backOff waits a random time that grows with attempt, up to a limit.
func backOff(ctx context.Context, attempt int) error {
	pause := 1 + rand.N(time.Duration(min(attempt, updateAttempts/4))*updateBackoff)
	return unlocked(ctx, func() error { return awaitEither(ctx, pause, nil, nil) })
}

// heldTurns are the turns of one update in the queues of its keys. It takes them in the
// order of the keys, so that two updates never wait for each other. Of many keys it takes
// the first maxTurns: updates that meet often mostly share them.
type heldTurns struct {
	all      *turns
	prefix   string // of the keys
	keys     []string
	ordered  bool    // keys are
	held     []*turn // in the queues that there are
	complete bool    // held has a turn for each of the keys
}

// maxTurns is how many queues an update waits in. turnWait is how long it keeps a turn while
// it waits for the next one, which cannot take longer than the turns before it.
const (
	maxTurns = 16
	turnWait = time.Second
)

// wants reports whether there are queues to wait in, or create says that they are made.
func (q *heldTurns) wants(create bool) bool {
	if q.complete {
		return false
	}
	return create || len(q.held) == 0 && q.all.waiting.Load() > 0
}

// take waits for a turn of each key that has a queue, or gets one.
func (q *heldTurns) take(ctx context.Context, create bool, losses int) error {
	q.leave()
	if !q.ordered {
		q.keys, q.ordered = slices.Sorted(slices.Values(q.keys)), true
		q.keys = q.keys[:min(len(q.keys), maxTurns)]
	}
	for _, key := range q.keys {
		t := q.all.join(q.prefix+key, create, losses)
		if t == nil {
			continue
		}
		for _, before := range q.held {
			before.hold(turnWait)
		}
		q.held = append(q.held, t)
		if err := t.wait(ctx); err != nil {
			return err
		}
	}
	q.complete = len(q.held) == len(q.keys)
	return nil
}

// keep is turn.keep for all of them.
func (q *heldTurns) keep(longest time.Duration) bool {
	kept := true
	for _, t := range q.held {
		kept = t.keep(longest) && kept
	}
	return kept
}

func (q *heldTurns) leave() {
	for _, t := range q.held {
		t.leave()
	}
	q.held, q.complete = q.held[:0], false
}
