package kvprom

import (
	"context"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/scriptling-kv/extlibs"
)

func TestCallsAreCountedByStoreCallAndKindOfError(t *testing.T) {
	ctx := context.Background()
	p := prometheus.NewPedanticRegistry()
	for _, tenant := range []string{"a", "b"} {
		calls := NewCalls(prometheus.Labels{"tenant": tenant})
		if err := p.Register(calls); err != nil {
			t.Fatal(err)
		}
		r := extlibs.NewRegistry(extlibs.Observe(calls.Observe), extlibs.MaxKeys(1), extlibs.MaxStores(0))
		defer r.Close()
		for i := range maxStores + 5 {
			h, err := r.Open(ctx, fmt.Sprintf(":memory:%03d", i))
			if err != nil {
				t.Fatal(err)
			}
			h.Set(ctx, "a", 1, 0)
			h.Set(ctx, "b", 1, 0) // is ErrFull
			h.Get(ctx, "absent")
		}
	}
	families, err := p.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			text := f.GetName()
			for _, l := range m.GetLabel() {
				text += " " + l.GetValue()
			}
			shown[text] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	if n, ok := shown["scriptling_kv_call_errors_total get corrupt :memory:007 a"]; !ok || n != 0 {
		t.Errorf("the counter of errors that did not happen yet: %v, %v", n, ok)
	}
	for text, want := range map[string]float64{
		"scriptling_kv_call_seconds set :memory:000 a":           2,
		"scriptling_kv_call_seconds get :memory:099 b":           1,
		"scriptling_kv_call_seconds set other a":                 10,
		"scriptling_kv_call_errors_total set full :memory:007 a": 1,
		"scriptling_kv_call_errors_total set full other b":       5,
	} {
		if shown[text] != want {
			t.Errorf("%s is %v, want %v", text, shown[text], want)
		}
	}
	if want := 2 * (maxStores + 1) * 2 * (1 + len(alertKinds)); len(shown) != want {
		t.Errorf("%d series, want %d", len(shown), want)
	}
}
