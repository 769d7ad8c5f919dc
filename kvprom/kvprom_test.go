package kvprom

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/scriptling-kv/extlibs"
)

// gather returns what a scrape shows, as "name store" -> number.
func gather(t *testing.T, r *extlibs.Registry) map[string]float64 {
	t.Helper()
	p := prometheus.NewPedanticRegistry()
	if err := p.Register(Collector(r)); err != nil {
		t.Fatal(err)
	}
	families, err := p.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			shown[f.GetName()+" "+storeOf(m.GetLabel())] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return shown
}

func TestAScrapeShowsEachOpenStore(t *testing.T) {
	ctx := context.Background()
	r := extlibs.NewRegistry()
	defer r.Close()
	file, err := r.Open(ctx, filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	for i, h := range []*extlibs.Handle{r.Default(), file} {
		for k := range 3 + i {
			if err := h.Set(ctx, fmt.Sprint(k), "v", 0); err != nil {
				t.Fatal(err)
			}
		}
		_, err := h.Get(ctx, "0")
		_, missing := h.Get(ctx, "nosuch")
		_, deleteErr := h.Delete(ctx, "0")
		if err != nil || deleteErr != nil || !errors.Is(missing, extlibs.ErrNotFound) {
			t.Fatal(err, missing, deleteErr)
		}
	}
	shown := gather(t, r)
	for i, name := range []string{"default", file.Name()} {
		want := map[string]float64{"keys": 2, "hits_total": 1, "misses_total": 1, "sets_total": 3, "deletes_total": 1, "expired_total": 0, "evicted_total": 0}
		want["keys"] += float64(i)
		want["sets_total"] += float64(i)
		for metric, n := range want {
			if got, ok := shown["scriptling_kv_"+metric+" "+name]; !ok || got != n {
				t.Errorf("%s of %s is %v (%v), want %v", metric, name, got, ok, n)
			}
		}
		if shown["scriptling_kv_bytes "+name] <= 0 || (shown["scriptling_kv_commits_total "+name] > 0) != (i == 1) ||
			(shown["scriptling_kv_buffered_bytes "+name] > 0) != (i == 1) {
			t.Errorf("bytes, commits and buffered bytes of %s: %v", name, shown)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if shown := gather(t, r); len(shown) != len(metrics) {
		t.Errorf("with one store open a scrape shows %v", shown)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if shown := gather(t, r); len(shown) != 0 {
		t.Errorf("a closed registry shows %v", shown)
	}
}

// silent is a store that counts its keys for ever.
type silent struct{ extlibs.Store }

func (silent) Len(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestAStoreThatDoesNotAnswerShowsWhatIsKnown(t *testing.T) {
	ctx := context.Background()
	extlibs.RegisterDriver("silent", func(ctx context.Context, _ extlibs.OpenConfig) (extlibs.Store, error) {
		h, err := extlibs.NewRegistry().Open(ctx, ":memory:x")
		if err != nil {
			return nil, err
		}
		return silent{h.Store()}, nil
	})
	r := extlibs.NewRegistry()
	defer r.Close()
	for _, url := range []string{"silent://one@host/x", "silent://two@host/x"} { // two stores of one name
		h, err := r.Open(ctx, url)
		if err == nil {
			err = h.Set(ctx, "k", 1, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	shown := gather(t, r)
	if n := shown["scriptling_kv_sets_total silent://host/x"]; n != 2 {
		t.Errorf("sets are %v of %v", n, shown)
	}
	if _, ok := shown["scriptling_kv_keys silent://host/x"]; ok {
		t.Error("keys are shown that nobody counted")
	}
	if _, ok := shown["scriptling_kv_keys default"]; !ok {
		t.Error("the default store is not shown")
	}
}

func storeOf(labels []*dto.LabelPair) string {
	for _, l := range labels {
		if l.GetName() == labelStore {
			return l.GetValue()
		}
	}
	return ""
}
