package kvprom

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/scriptling-kv/extlibs"
)

// newTenant returns a registry whose default store has n keys.
func newTenant(t *testing.T, n int) *extlibs.Registry {
	t.Helper()
	r := extlibs.NewRegistry()
	t.Cleanup(func() { r.Close() })
	for i := range n {
		if err := r.Default().Set(context.Background(), fmt.Sprint(i), i, 0); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// keysOf returns what a scrape shows as scriptling_kv_keys, by the labels.
func keysOf(t *testing.T, p prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := p.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "scriptling_kv_keys" {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetName() != labelRegistry {
					labels = append(labels, l.GetName()+"="+l.GetValue())
				}
			}
			shown[strings.Join(labels, " ")] += m.GetGauge().GetValue()
		}
	}
	return shown
}

func TestSeveralRegistriesAreShown(t *testing.T) {
	for name, p := range map[string]*prometheus.Registry{"plain": prometheus.NewRegistry(), "pedantic": prometheus.NewPedanticRegistry()} {
		tenants := map[string]*extlibs.Registry{"e": newTenant(t, 16), "f": newTenant(t, 32)}
		for i, register := range []func() error{
			func() error { return p.Register(Collector(newTenant(t, 1))) },
			func() error { return p.Register(Collector(newTenant(t, 2))) },
			func() error { return p.Register(Collector(newTenant(t, 4), prometheus.Labels{"tenant": "c"})) },
			func() error {
				return prometheus.WrapRegistererWith(prometheus.Labels{"tenant": "d"}, p).Register(Collector(newTenant(t, 8)))
			},
			func() error {
				return p.Register(Collectors("tenant", func() map[string]*extlibs.Registry { return tenants }))
			},
		} {
			if err := register(); err != nil {
				t.Errorf("%s: collector %d: %v", name, i, err)
			}
		}
		want := map[string]float64{"store=default": 1 + 2, "store=default tenant=c": 4, "store=default tenant=d": 8, "store=default tenant=e": 16, "store=default tenant=f": 32}
		if shown := keysOf(t, p); !maps.Equal(shown, want) {
			t.Errorf("%s: a scrape shows %v, want %v", name, shown, want)
		}
		tenants = map[string]*extlibs.Registry{"f": tenants["f"], "g": nil, "\xff": newTenant(t, 64)} // e is gone
		delete(want, "store=default tenant=e")
		want["store=default tenant=?"] = 64
		if shown := keysOf(t, p); !maps.Equal(shown, want) {
			t.Errorf("%s: a scrape shows %v, want %v", name, shown, want)
		}
	}
}

func TestARegistryIsCalledTheSameByEachOfItsCollectors(t *testing.T) {
	a, b := newTenant(t, 1), newTenant(t, 1)
	for range 2 {
		if first, second := numberOf(a, false), numberOf(b, false); first+1 != second {
			t.Errorf("the numbers are %d and %d", first, second)
		}
	}
}

func TestWrongLabelsAreRefusedAtOnce(t *testing.T) {
	for _, name := range []string{labelStore, "", "a-\xff", "__name__"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("label %q is taken", name)
				}
			}()
			Collector(extlibs.NewRegistry(), prometheus.Labels{name: "x"})
		}()
	}
}

func TestANumberThatABackendDoesNotKnowIsLeftOut(t *testing.T) {
	extlibs.RegisterDriver("uncounted", func(ctx context.Context, _ extlibs.OpenConfig) (extlibs.Store, error) {
		h, err := extlibs.NewRegistry().Open(ctx, ":memory:x")
		if err != nil {
			return nil, err
		}
		return struct{ extlibs.Store }{h.Store()}, nil
	})
	r := extlibs.NewRegistry()
	defer r.Close()
	h, err := r.Open(context.Background(), "uncounted://host/x")
	if err != nil {
		t.Fatal(err)
	}
	shown := gather(t, r)
	var names []string
	for _, m := range metrics {
		if _, ok := shown[m.name+" "+h.Name()]; ok {
			names = append(names, strings.TrimPrefix(m.name, "scriptling_kv_"))
		}
	}
	if want := []string{"keys", "hits_total", "misses_total", "sets_total", "deletes_total"}; !slices.Equal(names, want) {
		t.Errorf("shown are %q, want %q", names, want)
	}
	sum, err := r.Stats(context.Background())
	if err != nil || sum.Bytes < 0 || sum.Commits < 0 {
		t.Errorf("the sum of a registry is %+v, %v", sum, err)
	}
	if text := r.Var().String(); !strings.Contains(text, `"bytes":-1`) {
		t.Errorf("the variable is %s", text)
	}
}
