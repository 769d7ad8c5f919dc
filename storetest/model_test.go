package storetest_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/storetest"
)

// Op.Next defines the operations for all stores; the model was written from the contract.
func TestTheModelAndNextAgreeAboutEveryOperation(t *testing.T) {
	var values []extlibs.Value
	for _, v := range []any{
		0, 1, -1, int64(math.MaxInt64), int64(math.MinInt64), int64(1 << 53), 0.0, 0.5, -2.5, 1e300, math.Inf(1), math.NaN(), math.Float64frombits(0xfff80000deadbeef), "text", "", "12", true, nil, []any{1}, []byte("b"),
	} {
		e, err := extlibs.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, e)
	}
	r := kvtest.Rand(t)
	pick := func() extlibs.Value { return values[r.IntN(len(values))] }
	applied, failed := 0, 0
	for range 50_000 {
		m, old := storetest.NewModel(), extlibs.Value{}
		ttl := time.Duration(r.IntN(3)) * time.Hour
		if r.IntN(4) > 0 {
			old = pick()
			if _, err := m.Apply(extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: old, TTL: ttl}); err != nil {
				t.Fatal(err)
			}
		}
		op := extlibs.Op{Kind: extlibs.OpKind(r.IntN(11)), Key: "k", Value: pick(), Old: pick(), TTL: time.Duration(r.IntN(3)) * time.Minute, NeedOld: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			op.Old = old
		}
		want, outcome, wantErr := op.Next(old)
		got, err := m.Apply(op)
		for _, kind := range []error{extlibs.ErrType, extlibs.ErrOverflow, extlibs.ErrInvalid} {
			if errors.Is(err, kind) != errors.Is(wantErr, kind) || (err == nil) != (wantErr == nil) {
				t.Fatalf("%+v of %v: the model says %v, Next %v", op, old, err, wantErr)
			}
		}
		if err != nil {
			failed++
			want, outcome = extlibs.Result{}, extlibs.OutcomeKeep
		}
		if got != want {
			t.Fatalf("%+v of %v: the model returns %+v, Next %+v", op, old, got, want)
		}
		after := extlibs.Entry{Key: "k", Value: old, TTL: ttl}
		switch {
		case outcome == extlibs.OutcomeKeep:
		case outcome == extlibs.OutcomeRemove:
			after = extlibs.Entry{}
		case outcome == extlibs.OutcomeTouch:
			after.TTL = op.TTL
		case outcome == extlibs.OutcomePutKeepTTL && !old.IsZero():
			after.Value = want.New
		default:
			after = extlibs.Entry{Key: "k", Value: want.New, TTL: op.TTL}
		}
		if after.Value.IsZero() {
			after = extlibs.Entry{}
		}
		if e, _ := m.Load("k"); e != after {
			t.Fatalf("%+v of %v: the model holds %+v, Next makes it %+v", op, old, e, after)
		}
		if got.Applied {
			applied++
		}
	}
	if applied < 10_000 || failed < 5_000 {
		t.Errorf("%d operations were applied, %d failed: this shows little", applied, failed)
	}
}
