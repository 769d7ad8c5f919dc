package extlibs

import "context"

// waitingMemory is a memory whose calls release the interpreter's lock, as those of
// waiting do, if they have to wait. Load and Apply wait only while another call holds
// the lock of their key: finding the interpreter's lock takes longer.
type waitingMemory struct{ *memory }

func (m waitingMemory) LoadMany(ctx context.Context, keys []string, need Need) ([]Entry, error) {
	return m.store(len(keys) <= smallBatch).LoadMany(ctx, keys, need)
}

func (m waitingMemory) ApplyMany(ctx context.Context, ops []Op) ([]Result, error) {
	return m.store(isSmallBatch(ops)).ApplyMany(ctx, ops)
}

func (m waitingMemory) Scan(ctx context.Context, r Range) (Page, error) {
	return m.store(true).Scan(ctx, r)
}

func (m waitingMemory) Len(ctx context.Context) (int, error) { return m.store(true).Len(ctx) }
func (m waitingMemory) Clear(ctx context.Context) error      { return m.store(true).Clear(ctx) }

// store returns the store for a call, which is a small one or not.
func (m waitingMemory) store(small bool) Store {
	if small && !m.contended() {
		return m.memory
	}
	return waiting{m.memory}
}
