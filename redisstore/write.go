package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

// Apply implements extlibs.Store. The hot operations have separate scripts.
func (s *store) Apply(ctx context.Context, op extlibs.Op) (extlibs.Result, error) {
	if !op.NeedOld {
		r, done, err := s.applyFast(ctx, &op)
		if done && err == nil && op.Must && !r.Applied {
			err = errConflict
		}
		if done {
			return r, err
		}
	}
	results, err := s.ApplyMany(ctx, []extlibs.Op{op})
	if err != nil {
		return extlibs.Result{}, err
	}
	return results[0], nil
}

// applyFast carries out one operation with a separate script. It returns done == false,
// having changed nothing, when the general script must do it.
func (s *store) applyFast(ctx context.Context, op *extlibs.Op) (r extlibs.Result, done bool, err error) {
	ttl := microseconds(op.TTL)
	limited := s.limits.keys != 0
	var m wire.Reply
	switch {
	case op.Kind == extlibs.OpDelete:
		m, err = s.exec(ctx, writes, scriptDelete, op.Key)
		return extlibs.Result{Applied: m.Int == 1}, true, err
	case op.Kind == extlibs.OpExpire:
		live, err := s.expire(ctx, op.Key, ttl)
		s.sweeper.expect(op.TTL)
		return extlibs.Result{Applied: live}, true, err
	case op.Kind == extlibs.OpSwap:
		old, next := payload(op.Old), payload(op.Value)
		if old == "" || isLarge(old) || isLarge(next) {
			return r, false, nil
		}
		m, err = s.exec(ctx, writes, scriptSwap, op.Key, old, next)
		if err == nil && m.Kind == wire.Nil {
			return r, false, nil
		}
		if m.Int == 1 {
			r = extlibs.Result{Applied: true, New: op.Value}
		}
		return r, true, err
	case limited:
		return r, false, nil
	case op.Kind == extlibs.OpSet:
		p := payload(op.Value)
		if isLarge(p) {
			s.seen.larges.set(op.Key)
		}
		if op.TTL == 0 {
			_, err = s.exec(ctx, writes, scriptSet, op.Key, p)
		} else {
			_, err = s.exec(ctx, writes, scriptSetTTL, op.Key, p, ttl)
			s.sweeper.expect(op.TTL)
		}
		return extlibs.Result{Applied: true, New: op.Value}, true, err
	case op.Kind == extlibs.OpAdd:
		if op.TTL == 0 {
			m, err = s.exec(ctx, writes, scriptAdd, op.Key, payload(op.Value))
		} else {
			m, err = s.exec(ctx, writes, scriptAddTTL, op.Key, payload(op.Value), ttl)
		}
		if m.Int == 1 {
			s.sweeper.expect(op.TTL)
			r = extlibs.Result{Applied: true, New: op.Value}
		}
		return r, true, err
	case op.Kind == extlibs.OpIncr || op.Kind == extlibs.OpIncrInt:
		add := payload(op.Value)
		if !isInt(add) {
			return r, false, nil
		}
		if op.TTL == 0 && !s.seen.expectsMortal() {
			m, err = s.exec(ctx, writes, scriptIncr, op.Key, add)
		}
		if err == nil && m.Kind == wire.Nil {
			m, err = s.exec(ctx, writes, scriptIncrTTL, op.Key, add, ttl)
			s.sweeper.expect(op.TTL)
		}
		if err != nil || m.Kind == wire.Nil {
			return r, err != nil, err
		}
		r, err = sum(&m)
		return r, true, err
	}
	return r, false, nil
}

// expire changes a deadline, and reports whether the key was live.
func (s *store) expire(ctx context.Context, key, ttl string) (live bool, err error) {
	sc := scriptExpire
	if s.seen.isSmall(key) {
		sc = scriptExpireSmall
	}
	m, err := s.exec(ctx, writes, sc, key, ttl)
	switch m.Int {
	case 1:
		s.seen.smallExpires.set(key)
	case 2:
		s.seen.larges.set(key)
	}
	return m.Int != 0, err
}

// isNumber also knows a NaN of other bits, which is CBOR.
func isNumber(p string) bool {
	return isInt(p) || p != "" && (p[0] == markFloat || p[0] == cborFloat64)
}

func isInt(p string) bool { return p != "" && (p[0] == '-' || p[0] >= '0' && p[0] <= '9') }

// sum is the result of scriptIncr.
func sum(m *wire.Reply) (extlibs.Result, error) {
	n, ok := m.Number()
	if !ok {
		return extlibs.Result{}, damaged()
	}
	v, err := extlibs.Encode(n)
	return extlibs.Result{Applied: true, New: v}, err
}

// Clear implements extlibs.Store.
func (s *store) Clear(ctx context.Context) error {
	_, err := s.exec(ctx, writes, scriptClear, formatVersion)
	return err
}

// microseconds is a ttl as the scripts take it, rounded up; "0" is none.
func microseconds(d time.Duration) string {
	return strconv.FormatInt(int64((max(d, 0)+time.Microsecond-1)/time.Microsecond), 10)
}
