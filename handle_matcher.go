package extlibs

import (
	"context"
	"sync/atomic"
)

// matcher is the Match of a Range, and checks the context while it works, whatever
// the backend does: a pattern takes up to 10 milliseconds for a key of 32 KiB. Once the
// context has ended, it selects nothing, takes no time, and the page is an error.
type matcher struct {
	ctx       context.Context
	match     func(key string) bool
	unchecked atomic.Int64 // bytes of keys since the last check of ctx
	ended     atomic.Bool
}

const (
	matchLookBytes = 16 << 10 // bytes of keys between two checks of the context
	matchKeyBytes  = 32       // that a key counts beside its own
)

func (m *matcher) selects(key string) bool {
	if m.unchecked.Add(int64(len(key)+matchKeyBytes)) > matchLookBytes {
		m.unchecked.Store(0)
		if m.ended.Load() || m.ctx.Err() != nil {
			m.unchecked.Store(matchLookBytes) // look again at the next key
			m.ended.Store(true)
			return false
		}
	}
	return m.match(key)
}

// err is the error of a page whose keys were not all matched.
func (m *matcher) err() error {
	if m.ended.Load() {
		return m.ctx.Err()
	}
	return nil
}
