package extlibs

import (
	"context"
	"time"

	"github.com/paularlott/scriptling/object"
)

// waiting is a Store whose calls can wait. While they do, other threads of the
// interpreter whose script makes the call run on.
type waiting struct{ Store }

func (s waiting) Load(ctx context.Context, key string, need Need) (e Entry, err error) {
	object.RunBlocking(ctx, func() { e, err = s.Store.Load(ctx, key, need) })
	return e, err
}

func (s waiting) LoadMany(ctx context.Context, keys []string, need Need) (entries []Entry, err error) {
	object.RunBlocking(ctx, func() { entries, err = s.Store.LoadMany(ctx, keys, need) })
	return entries, err
}

func (s waiting) Apply(ctx context.Context, op Op) (r Result, err error) {
	object.RunBlocking(ctx, func() { r, err = s.Store.Apply(ctx, op) })
	return r, err
}

func (s waiting) ApplyMany(ctx context.Context, ops []Op) (results []Result, err error) {
	object.RunBlocking(ctx, func() { results, err = s.Store.ApplyMany(ctx, ops) })
	return results, err
}

func (s waiting) Scan(ctx context.Context, r Range) (page Page, err error) {
	object.RunBlocking(ctx, func() { page, err = s.Store.Scan(ctx, r) })
	return page, err
}

func (s waiting) Len(ctx context.Context) (n int, err error) {
	object.RunBlocking(ctx, func() { n, err = s.Store.Len(ctx) })
	return n, err
}

func (s waiting) Clear(ctx context.Context) error {
	return unlocked(ctx, func() error { return s.Store.Clear(ctx) })
}

// unlocked runs wait without the lock of the interpreter whose script made the call.
func unlocked(ctx context.Context, wait func() error) (err error) {
	object.RunBlocking(ctx, func() { err = wait() })
	return err
}

// awaitEither waits for either channel, or for a time that is not 0. Its error is that of ctx.
func awaitEither(ctx context.Context, limit time.Duration, a, b <-chan struct{}) error {
	var timeout <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-a:
	case <-b:
	case <-timeout:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
