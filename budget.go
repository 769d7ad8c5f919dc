package extlibs

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// budget is the memory that one call on many keys may take: the keys and encoded
// values that it reads and writes, what it decodes of them, and what the store and
// the call need for each. It is asked before the memory is taken, so that a call
// which is too large ends early, and one whose caller is gone ends soon. Handle asks
// it in loadMany, applyMany and collect, which all calls on many keys go through;
// besides, code that makes copies asks it before each of them.
type budget struct {
	ctx       context.Context
	limit     int
	held      int
	unchecked int // bytes since the last check of ctx
}

// Memory that a call takes for each key or value beside their bytes: the most that
// the backends of this package need for short ones, as TestACallTakesNoMoreMemoryThanItsLimit
// measures them.
const (
	budgetKeyBytes   = 224 // a key that is asked for
	budgetEntryBytes = 160 // an entry that a list, dict or map is made of
	budgetOpBytes    = 640 // an operation of a batch
	budgetValueBytes = 32  // a value that is read

	budgetCheckBytes = 64 << 10 // bytes between two checks of ctx
)

func newBudget(ctx context.Context, limit int) budget {
	return budget{ctx: ctx, limit: limit}
}

// most is how many of n things of so many bytes each the budget has room for at most,
// plus one.
func (b *budget) most(n, bytes int) int { return min(n, (b.limit-b.held)/bytes+1) }

// takeKey adds a key that is asked for.
func (b *budget) takeKey(key string) error { return b.take(budgetKeyBytes + len(key)) }

// distinct returns each of about n keys once, and adds it.
func (b *budget) distinct(n int, keys iter.Seq[string]) ([]string, error) {
	most := b.most(n, budgetKeyBytes)
	seen := make(map[string]struct{}, most)
	once := make([]string, 0, most)
	for key := range keys {
		if _, dup := seen[key]; dup {
			if err := b.look(budgetKeyBytes); err != nil {
				return nil, err
			}
			continue
		}
		if err := b.takeKey(key); err != nil {
			return nil, err
		}
		seen[key] = struct{}{}
		once = append(once, key)
	}
	return once, nil
}

// takeOp adds an operation that is about to be carried out.
func (b *budget) takeOp(op *Op) error {
	return b.take(budgetOpBytes + len(op.Key) + op.Value.Len() + op.Old.Len())
}

// takeValue adds a value of so many bytes, if it is needed: a store may add one
// all the same.
func (b *budget) takeValue(bytes int, need Need) error {
	if need&NeedValue == 0 {
		return nil
	}
	return b.take(budgetValueBytes + bytes)
}

// takeEntry adds an entry that is kept, with its value decoded if it is needed.
func (b *budget) takeEntry(e *Entry, need Need) error {
	if err := b.take(budgetEntryBytes + len(e.Key)); err != nil || need&NeedValue == 0 {
		return err
	}
	if err := b.take(e.Value.Len()); err != nil {
		return err
	}
	return b.takeDecoded(e.Value)
}

// takeDecoded adds what a value takes once decoded.
func (b *budget) takeDecoded(v Value) error {
	size, err := codec.DecodedSize(b.ctx, v.data, int64(b.limit-b.held))
	if err != nil {
		return err
	}
	return b.take(int(min(size, math.MaxInt32)))
}

// take adds so many bytes.
func (b *budget) take(bytes int) error {
	if b.held += bytes; b.held > b.limit {
		return kverr.Errorf(ErrTooLarge, "the call exceeds the limit of %d bytes of keys and values; use fewer keys at a time, or raise MaxOperationBytes in the host", b.limit)
	}
	return b.look(bytes)
}

// look counts work, in bytes, and checks ctx now and then.
func (b *budget) look(bytes int) error {
	if b.unchecked += bytes; b.unchecked > budgetCheckBytes {
		b.unchecked = 0
		return b.ctx.Err()
	}
	return nil
}

// damagedKey is the key that an error of a budget is about: that of a damaged value, and
// otherwise none.
func damagedKey(key string, err error) string {
	if errors.Is(err, ErrCorrupt) {
		return key
	}
	return ""
}
