package extlibs

import (
	"context"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// budget is what one operation may hold at once: the keys and encoded values
// that it reads and writes. It is asked as they come, so that an operation which
// is too large ends before it has taken the memory, and one whose caller is gone
// ends soon.
type budget struct {
	ctx       context.Context
	limit     int
	held      int
	unchecked int // bytes since the last look at ctx
}

const (
	budgetEntryBytes = 32       // what an entry takes beside its key and value
	budgetCheckBytes = 64 << 10 // bytes between two looks at ctx
)

func newBudget(ctx context.Context, limit int) budget {
	return budget{ctx: ctx, limit: limit}
}

// take adds an entry of so many bytes.
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
