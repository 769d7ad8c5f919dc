package extlibs

import (
	"context"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/hashtable"
)

// PopFirst implements FirstPopper.
func (m *memory) PopFirst(ctx context.Context, r Range, maxBytes int) (Entry, bool, error) {
	v := hashtable.View{Reverse: r.Reverse}
	v.From, v.To = r.Bounds()
	for {
		st, err := m.open()
		if err != nil {
			return Entry{}, false, err
		}
		m.collect(ctx)
		first, err := m.popFirst(ctx, st, v, maxBytes)
		switch {
		case err != nil:
			return Entry{}, false, err
		case first.Busy != nil:
			if err := await(ctx, first.Busy); err != nil {
				return Entry{}, false, err
			}
		case first.Declined:
			return Entry{}, false, nil
		case first.Record == nil:
			return Entry{}, false, ErrNotFound
		default:
			m.watched.tell(first.Record.Key(), false)
			e, _ := entryOf(first.Record.Key(), first.Record, first.Now)
			return e, true, nil
		}
	}
}

// popFirst removes the first key of a view after the callers that came before. If it has to
// wait for them, the script's interpreter is free.
func (m *memory) popFirst(ctx context.Context, st *memoryState, v hashtable.View, maxBytes int) (first hashtable.First, err error) {
	if !st.TryPopping() {
		object.RunBlocking(ctx, st.StartPopping)
	}
	defer m.guard(st, &err)
	defer st.EndPopping()
	if err := ctx.Err(); err != nil {
		return first, err
	}
	return st.PopFirst(v, maxBytes), nil
}
