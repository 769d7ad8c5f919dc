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
	if s.limits.keys == 0 && !op.NeedOld {
		switch {
		case op.Kind == extlibs.OpSet && op.TTL == 0:
			_, err := s.exec(ctx, writes, scriptSet, op.Key, payload(op.Value))
			return extlibs.Result{Applied: true, New: op.Value}, err
		case op.Kind == extlibs.OpSet:
			_, err := s.exec(ctx, writes, scriptSetTTL, op.Key, payload(op.Value), micros(op.TTL))
			return extlibs.Result{Applied: true, New: op.Value}, err
		case (op.Kind == extlibs.OpIncr || op.Kind == extlibs.OpIncrInt) && op.TTL == 0 && isInt(payload(op.Value)):
			m, err := s.exec(ctx, writes, scriptIncr, op.Key, payload(op.Value))
			if err != nil {
				return extlibs.Result{}, err
			}
			if m.Kind != wire.Nil {
				return sum(&m)
			}
		}
	}
	results, err := s.ApplyMany(ctx, []extlibs.Op{op})
	if err != nil {
		return extlibs.Result{}, err
	}
	return results[0], nil
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
	args[0] = micros(ops[0].TTL)
	for _, op := range byKey {
		args = append(args, op.Key, payload(op.Value))
	}
	if _, err := s.exec(ctx, writes, scriptSetMany, args...); err != nil {
		return nil, true, err
	}
	return results, true, nil
}

// ApplyMany implements extlibs.Store.
func (s *store) ApplyMany(ctx context.Context, ops []extlibs.Op) ([]extlibs.Result, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	if results, only, err := s.setMany(ctx, ops); only {
		return results, err
	}
	results := make([]extlibs.Result, len(ops))
	args := make([]string, 1, 1+6*len(ops))
	args[0] = strconv.Itoa(s.limits.keys)
	for i := range ops {
		op := &ops[i]
		if op.Kind < extlibs.OpSet || op.Kind > extlibs.OpIncrInt {
			return nil, fmt.Errorf("%w: unknown operation %d", extlibs.ErrInvalid, op.Kind)
		}
		p := payload(op.Value)
		if (op.Kind == extlibs.OpIncr || op.Kind == extlibs.OpIncrInt) && !isNumber(p) {
			return nil, errNoNumber
		}
		old := "0"
		if op.NeedOld {
			old = "1"
		}
		args = append(args, strconv.Itoa(int(op.Kind)), op.Key, p, payload(op.Old), micros(op.TTL), old)
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

// micros is a ttl as the scripts take it, rounded up.
func micros(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Microsecond-1)/time.Microsecond), 10)
}
