package extlibs

import (
	"context"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/diskstore"
)

// PopFirst implements FirstPopper.
func (s *diskStore) PopFirst(ctx context.Context, r Range, maxBytes int) (e Entry, done bool, err error) {
	keys := diskstore.Range{Reverse: r.Reverse}
	keys.From, keys.To = r.Bounds()
	err = s.disk.Write(ctx, func(p *diskstore.Plan) error {
		e, done = Entry{}, false
		first, err := p.First(keys)
		switch {
		case err != nil:
			return err
		case first.Declined || len(first.State.Value) > maxBytes:
			return nil
		case first.Key == "":
			return ErrNotFound
		}
		e, done = Entry{Key: first.Key, Value: Value{first.State.Value}}, true
		if first.State.Deadline != 0 {
			e.TTL = time.Duration(first.State.Deadline - p.Now)
		}
		return p.Make([]diskstore.Change{{Key: first.Key, Was: first.State, Next: boltfile.State{}, Changed: true}})
	})
	if err != nil {
		return Entry{}, false, err
	}
	return e, done, nil
}
