package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
		m, err = s.exec(ctx, writes, scriptExpire, op.Key, ttl)
		s.sweeper.expect(op.TTL)
		return extlibs.Result{Applied: m.Int == 1}, true, err
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
			s.seen.large(op.Key)
		}
		if op.TTL == 0 {
			_, err = s.exec(ctx, writes, scriptSet, op.Key, p)
		} else {
			_, err = s.exec(ctx, writes, scriptSetTTL, op.Key, p, ttl)
			s.sweeper.expect(op.TTL)
		}
		return extlibs.Result{Applied: true, New: op.Value}, true, err
	case op.Kind == extlibs.OpAdd:
		m, err = s.exec(ctx, writes, scriptAdd, op.Key, payload(op.Value), ttl)
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

// setMany carries out a batch that only sets, all with one ttl. It reports false,
// and has done nothing, where the batch does anything else.
func (s *store) setMany(ctx context.Context, ops []extlibs.Op) (results []extlibs.Result, only bool, err error) {
	if s.limits.keys != 0 {
		return nil, false, nil
	}
	for i := range ops {
		if ops[i].Kind != extlibs.OpSet || ops[i].NeedOld || ops[i].TTL != ops[0].TTL {
			return nil, false, nil
		}
	}
	results = make([]extlibs.Result, len(ops))
	byKey := make([]*extlibs.Op, len(ops)) // in whose order the server finds its places faster
	for i := range ops {
		byKey[i] = &ops[i]
		results[i] = extlibs.Result{Applied: true, New: ops[i].Value}
	}
	slices.SortStableFunc(byKey, func(a, b *extlibs.Op) int { return strings.Compare(a.Key, b.Key) })
	args := make([]string, 1, 1+2*len(ops))
	args[0] = microseconds(ops[0].TTL)
	s.sweeper.expect(ops[0].TTL)
	for _, op := range byKey {
		args = append(args, op.Key, payload(op.Value))
	}
	if _, err := s.exec(ctx, writes, scriptSetMany, args...); err != nil {
		return nil, true, err
	}
	return results, true, nil
}

// deleteMany is setMany for a batch that only deletes.
func (s *store) deleteMany(ctx context.Context, ops []extlibs.Op) (results []extlibs.Result, only bool, err error) {
	for i := range ops {
		if ops[i].Kind != extlibs.OpDelete || ops[i].NeedOld || ops[i].Must {
			return nil, false, nil
		}
	}
	keys := make([]string, len(ops))
	for i := range ops {
		keys[i] = ops[i].Key
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	m, err := s.exec(ctx, writes, scriptDeleteMany, keys...)
	if err != nil {
		return nil, true, err
	}
	if len(m.Text) != len(keys) {
		return nil, true, damaged()
	}
	live := []byte(m.Text)
	results = make([]extlibs.Result, len(ops))
	for i := range ops {
		at, _ := slices.BinarySearch(keys, ops[i].Key)
		results[i].Applied = live[at] == '1'
		live[at] = '0' // a second operation finds nothing
	}
	return results, true, nil
}

// ApplyMany implements extlibs.Store.
func (s *store) ApplyMany(ctx context.Context, ops []extlibs.Op) ([]extlibs.Result, error) {
	if err := s.limits.check(len(ops)); err != nil || len(ops) == 0 {
		return nil, err
	}
	if results, only, err := s.setMany(ctx, ops); only {
		return results, err
	}
	if results, only, err := s.deleteMany(ctx, ops); only {
		return results, err
	}
	for i := range ops {
		s.sweeper.expect(ops[i].TTL)
	}
	results := make([]extlibs.Result, len(ops))
	args := make([]string, 1, 1+4*len(ops))
	args[0] = strconv.Itoa(s.limits.keys)
	for i := range ops {
		op := &ops[i]
		if op.Kind < extlibs.OpSet || op.Kind > extlibs.OpSetKeepTTL {
			return nil, fmt.Errorf("%w: unknown operation %d", extlibs.ErrInvalid, op.Kind)
		}
		p := payload(op.Value)
		if (op.Kind == extlibs.OpIncr || op.Kind == extlibs.OpIncrInt) && !isNumber(p) {
			return nil, errNoNumber
		}
		head := string('0' + byte(op.Kind))
		if op.NeedOld || op.Must || op.TTL != 0 {
			head += flags(op) + microseconds(op.TTL)
		}
		args = append(args, head, op.Key)
		switch op.Kind {
		case extlibs.OpSwap, extlibs.OpSwapTTL:
			args = append(args, p, payload(op.Old))
		case extlibs.OpDeleteIf, extlibs.OpCheck:
			args = append(args, payload(op.Old))
		case extlibs.OpDelete, extlibs.OpExpire:
		default:
			args = append(args, p)
		}
	}
	m, err := s.exec(ctx, writes, scriptApply, args...)
	if err != nil {
		return nil, err
	}
	list := m.List
	if len(list) != 3*len(ops) {
		return nil, damaged()
	}
	for i := range ops {
		if results[i], err = result(list[3*i : 3*i+3]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// flags is the second character of an operation in scriptApply.
func flags(op *extlibs.Op) string {
	switch {
	case op.Must && op.NeedOld:
		return "?"
	case op.Must:
		return "!"
	case op.NeedOld:
		return "+"
	}
	return "-"
}

func result(m []wire.Reply) (r extlibs.Result, err error) {
	if m[0].Kind != wire.Int {
		return r, damaged()
	}
	r.Applied = m[0].Int == 1
	if r.Old, err = optional(&m[1]); err == nil {
		r.New, err = optional(&m[2])
	}
	return r, err
}

func optional(m *wire.Reply) (extlibs.Value, error) {
	if m.Kind != wire.Text {
		return extlibs.Value{}, damaged()
	}
	if m.Text == "" {
		return extlibs.Value{}, nil
	}
	return value(m.Text)
}

// Clear implements extlibs.Store.
func (s *store) Clear(ctx context.Context) error {
	_, err := s.exec(ctx, writes, scriptClear, formatVersion)
	return err
}

// microseconds is a ttl as the scripts take it, rounded up.
func microseconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Microsecond-1)/time.Microsecond), 10)
}
