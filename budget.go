package extlibs

import (
	"context"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// budget is what one call on many keys may hold at once: the keys and encoded
// values that it reads and writes. It is asked as they come, so that a call which
// is too large ends before it has taken the memory, and one whose caller is gone
// ends soon. Handle asks it in loadMany, applyMany and collect, which all calls on
// many keys go through; besides, who makes copies asks it before each of them.
type budget struct {
	ctx       context.Context
	limit     int
	held      int
	unchecked int // bytes since the last look at ctx
}

const (
	budgetEntryBytes = 32       // what a key or a value takes beside its bytes
	budgetCheckBytes = 64 << 10 // bytes between two looks at ctx
)

func newBudget(ctx context.Context, limit int) budget {
	return budget{ctx: ctx, limit: limit}
}

// takeKeys adds keys.
func (b *budget) takeKeys(keys []string) error {
	for _, key := range keys {
		if err := b.take(len(key)); err != nil {
			return err
		}
	}
	return nil
}

// takeOp adds what an operation is about to write.
func (b *budget) takeOp(op *Op) error { return b.take(len(op.Key) + op.Value.Len() + op.Old.Len()) }

// takeValue adds a value of so many bytes, if it is needed: a store may add one
// all the same.
func (b *budget) takeValue(bytes int, need Need) error {
	if need&NeedValue == 0 {
		return nil
	}
	return b.take(bytes)
}

// take adds a key, a value, or both together, of so many bytes.
func (b *budget) take(bytes int) error {
	bytes += budgetEntryBytes
	if b.held += bytes; b.held > b.limit {
		return kverr.Errorf(ErrTooLarge, "it would hold more than %d bytes of keys and values at once; take fewer keys at a time, or let the host raise MaxOperationBytes", b.limit)
	}
	if b.unchecked += bytes; b.unchecked > budgetCheckBytes {
		b.unchecked = 0
		return b.ctx.Err()
	}
	return nil
}
