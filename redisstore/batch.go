package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

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
	for i := range ops {
		results[i] = extlibs.Result{Applied: true, New: ops[i].Value}
	}
	sorted, _ := byKey(ops)
	args := make([]string, 1, 1+2*len(ops))
	args[0] = microseconds(ops[0].TTL)
	s.sweeper.expect(ops[0].TTL)
	for i := range sorted {
		args = append(args, sorted[i].Key, payload(sorted[i].Value))
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
	sorted, places := byKey(ops)
	args, sums, err := batch(sorted, s.limits.keys)
	if err != nil {
		return nil, err
	}
	m, err := s.exec(ctx, writes, scriptApply, args...)
	if err != nil {
		return nil, err
	}
	found, err := results(sorted, sums, m.List)
	if err != nil || places == nil {
		return found, err
	}
	results := make([]extlibs.Result, len(ops))
	for i, at := range places {
		results[at] = found[i]
	}
	return results, nil
}

// byKey sorts the operations of a large batch by key, since the server then finds the places
// of new keys faster, and returns the place in ops of each; nil if the order is right already.
// Operations on one key keep their order. Sums stay, as the first error tells which failed.
func byKey(ops []extlibs.Op) (sorted []extlibs.Op, places []int) {
	if len(ops) < 100 || slices.ContainsFunc(ops, func(op extlibs.Op) bool { return op.Kind == extlibs.OpIncr || op.Kind == extlibs.OpIncrInt }) {
		return ops, nil
	}
	places = make([]int, len(ops))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int { return strings.Compare(ops[a].Key, ops[b].Key) })
	sorted = make([]extlibs.Op, len(ops))
	for i, at := range places {
		sorted[i] = ops[at]
	}
	return sorted, places
}

// batch returns the arguments of scriptApply, and how many of the operations add a number.
func batch(ops []extlibs.Op, limit int) (args []string, sums int, err error) {
	const head = 4
	args = make([]string, head+len(ops), head+3*len(ops))
	var runs, same strings.Builder
	first := make(map[string]int, len(ops))
	run := 0
	for i := range ops {
		op := &ops[i]
		if op.Kind < extlibs.OpSet || op.Kind > extlibs.OpSetKeepTTL {
			return nil, 0, fmt.Errorf("%w: unknown operation %d", extlibs.ErrInvalid, op.Kind)
		}
		args[head+i] = op.Key
		if at, found := first[op.Key]; found {
			fmt.Fprintf(&same, "%d:%d;", i+1, at)
		} else {
			first[op.Key] = i + 1
		}
		switch op.Kind {
		case extlibs.OpSwap, extlibs.OpSwapTTL:
			args = append(args, payload(op.Value), payload(op.Old))
		case extlibs.OpDeleteIf, extlibs.OpCheck:
			args = append(args, payload(op.Old))
		case extlibs.OpDelete, extlibs.OpExpire:
		case extlibs.OpIncr, extlibs.OpIncrInt:
			p := payload(op.Value)
			if !isNumber(p) {
				return nil, 0, errNoNumber
			}
			sums++
			args = append(args, p)
		default:
			args = append(args, payload(op.Value))
		}
		run++
		if i+1 == len(ops) || !alike(op, &ops[i+1]) {
			fmt.Fprintf(&runs, "%c%s%s*%d;", '0'+byte(op.Kind), flags(op), microseconds(op.TTL), run)
			run = 0
		}
	}
	args[0], args[1], args[2], args[3] = strconv.Itoa(limit), strconv.Itoa(len(ops)), runs.String(), same.String()
	return args, sums, nil
}

// alike reports whether two operations can be in one run of a batch.
func alike(a, b *extlibs.Op) bool {
	return a.Kind == b.Kind && a.TTL == b.TTL && a.NeedOld == b.NeedOld && a.Must == b.Must
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

// results makes the results of a batch from the reply of scriptApply.
func results(ops []extlibs.Op, sums int, reply []wire.Reply) ([]extlibs.Result, error) {
	if len(reply) != 3 || len(reply[2].List) != sums {
		return nil, damaged()
	}
	olds, totals := reply[1].List, reply[2].List
	results := make([]extlibs.Result, len(ops))
	for i := range results {
		results[i].Applied = true
	}
	for _, m := range reply[0].List {
		if m.Kind != wire.Int || m.Int < 1 || m.Int > int64(len(ops)) {
			return nil, damaged()
		}
		results[m.Int-1].Applied = false
	}
	for i := range ops {
		r := &results[i]
		var err error
		if ops[i].NeedOld {
			if len(olds) == 0 {
				return nil, damaged()
			}
			if r.Old, err = optional(&olds[0]); err != nil {
				return nil, err
			}
			olds = olds[1:]
		}
		switch ops[i].Kind {
		case extlibs.OpIncr, extlibs.OpIncrInt:
			if r.New, err = optional(&totals[0]); err != nil {
				return nil, err
			}
			totals = totals[1:]
		case extlibs.OpSet, extlibs.OpSetKeepTTL, extlibs.OpAdd, extlibs.OpSwap, extlibs.OpSwapTTL:
			if r.Applied {
				r.New = ops[i].Value
			}
		}
	}
	return results, nil
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
