package kvprom

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

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
	// All but the limit of keys, which there is not, and five of servers, and two of the registry.
	if shown := gather(t, r); len(shown) != len(metrics)-1-5+2 {
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

func (silent) Stats(context.Context) (extlibs.Stats, error) {
	return extlibs.Stats{Server: &extlibs.ServerStats{RoundTrips: 4, RoundTripTime: 2500 * time.Millisecond, Redirects: 1, Unavailable: 2, Unknown: 3}}, nil
}

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
	for name, want := range map[string]float64{"round_trips": 8, "round_trip_seconds": 5, "redirects": 2, "unavailable": 4, "unknown": 6} {
		if n := shown["scriptling_kv_server_"+name+"_total silent://host/x"]; n != want {
			t.Errorf("%s is %v, want %v", name, n, want)
		}
		if _, ok := shown["scriptling_kv_server_"+name+"_total default"]; ok {
			t.Errorf("%s is shown of a store in memory", name)
		}
	}
	if _, ok := shown["scriptling_kv_keys silent://host/x"]; ok {
		t.Error("keys are shown that were not counted")
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

func TestLimitsAndTasksAreShownWhereKnown(t *testing.T) {
	ctx := context.Background()
	extlibs.RegisterDriver("limits", func(ctx context.Context, _ extlibs.OpenConfig) (extlibs.Store, error) {
		h, err := extlibs.NewRegistry().Open(ctx, ":memory:x")
		if err != nil {
			return nil, err
		}
		return h.Store(), nil
	})
	r := extlibs.NewRegistry(extlibs.MaxKeys(1000), extlibs.MaxTasks(7), extlibs.MaxMemoryBytes(2<<20), extlibs.MaxFileBytes(3<<20))
	defer r.Close()
	file := filepath.Join(t.TempDir(), "a.db")
	cache, err := r.OpenWith(ctx, ":cache:c", extlibs.MaxCacheBytes(1<<20), extlibs.MaxKeys(10))
	for _, name := range []string{file, "limits://host/x"} {
		if err == nil {
			_, err = r.Open(ctx, name)
		}
	}
	for i := range 15 {
		if err == nil {
			err = cache.Set(ctx, fmt.Sprint(i), i, 0)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	shown := gather(t, r)
	for name, want := range map[string]float64{
		"max_keys :cache:c": 10, "max_bytes :cache:c": 1 << 20, "evicted_total :cache:c": 5,
		"max_keys default": 1000, "max_bytes default": 2 << 20, "evicted_total default": 0,
		"max_keys " + file: 1000, "max_bytes " + file: 3 << 20,
		"max_keys limits://host/x": 1000, "max_bytes limits://host/x": -1, // omitted
		"max_tasks ": 7, "tasks ": 0,
	} {
		got, ok := shown["scriptling_kv_"+name]
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%s is %v (%v), want %v", name, got, ok, want)
		}
	}
	unlimited := extlibs.NewRegistry(extlibs.MaxTasks(0), extlibs.MaxMemoryBytes(0))
	defer unlimited.Close()
	shown = gather(t, unlimited)
	for _, name := range []string{"max_tasks ", "max_keys default", "max_bytes default"} {
		if n, ok := shown["scriptling_kv_"+name]; ok {
			t.Errorf("%s is %v where there is no limit", name, n)
		}
	}
	if _, ok := shown["scriptling_kv_tasks "]; !ok {
		t.Error("the tasks are not shown")
	}
}
