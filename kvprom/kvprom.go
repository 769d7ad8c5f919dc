// Package kvprom shows the counters of a registry's stores to Prometheus:
//
//	prometheus.MustRegister(kvprom.Collector(extlibs.DefaultRegistry()))
//
// It is a module of its own, so that nobody else links the client. The metrics
// are those of [extlibs.Stats], with the name of the store as label store:
//
//	scriptling_kv_keys, scriptling_kv_bytes,                  gauges
//	scriptling_kv_buffered_bytes
//	scriptling_kv_hits_total, scriptling_kv_misses_total      counters, from 0
//	scriptling_kv_sets_total, scriptling_kv_deletes_total     again when a store
//	scriptling_kv_expired_total, scriptling_kv_commits_total  is opened again
package kvprom

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/scriptling-kv/extlibs"
)

// timeout is how long a scrape waits for a store that does not answer.
const timeout = 1 * time.Second

// metric is one of the numbers of a store.
type metric struct {
	desc    *prometheus.Desc
	kind    prometheus.ValueType
	of      func(extlibs.Stats) int64
	backend bool // the backend counts it, and has to answer
}

func newMetric(name, help string, kind prometheus.ValueType, backend bool, of func(extlibs.Stats) int64) metric {
	return metric{prometheus.NewDesc("scriptling_kv_"+name, help, []string{"store"}, nil), kind, of, backend}
}

var metrics = []metric{
	newMetric("keys", "Live keys.", prometheus.GaugeValue, true, func(s extlibs.Stats) int64 { return s.Keys }),
	newMetric("bytes", "In memory: keys, values and overhead; on disk: the file and its log.", prometheus.GaugeValue, true, func(s extlibs.Stats) int64 { return s.Bytes }),
	newMetric("buffered_bytes", "Memory for what is in the log and not in the file yet.", prometheus.GaugeValue, true, func(s extlibs.Stats) int64 { return s.Buffered }),
	newMetric("hits_total", "Reads of a live key, in part by a sample.", prometheus.CounterValue, false, func(s extlibs.Stats) int64 { return s.Hits }),
	newMetric("misses_total", "Reads of an absent key.", prometheus.CounterValue, false, func(s extlibs.Stats) int64 { return s.Misses }),
	newMetric("sets_total", "Keys written.", prometheus.CounterValue, false, func(s extlibs.Stats) int64 { return s.Sets }),
	newMetric("deletes_total", "Keys removed by a call.", prometheus.CounterValue, false, func(s extlibs.Stats) int64 { return s.Deletes }),
	newMetric("expired_total", "Keys removed because their time was over.", prometheus.CounterValue, true, func(s extlibs.Stats) int64 { return s.Expired }),
	newMetric("commits_total", "Times that writes were made durable.", prometheus.CounterValue, true, func(s extlibs.Stats) int64 { return s.Commits }),
}

// Collector returns the counters of the stores that r has open when it is asked.
// It is safe for concurrent use. A store that does not answer within a second
// shows hits, misses, sets and deletes only; a closed one shows nothing.
func Collector(r *extlibs.Registry) prometheus.Collector { return collector{r} }

type collector struct{ registry *extlibs.Registry }

// Describe sends the descriptions of all metrics.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range metrics {
		ch <- m.desc
	}
}

// Collect sends the metrics of all open stores.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	type label struct {
		store string
		m     int
	}
	sums := map[label]int64{} // one URL with two passwords is two stores of one name
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, h := range append(c.registry.Stores(), c.registry.Default()) {
		wg.Go(func() {
			s, err := h.Stats(ctx)
			if errors.Is(err, extlibs.ErrClosed) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for i, m := range metrics {
				if err == nil || !m.backend {
					sums[label{strings.ToValidUTF8(h.Name(), "?"), i}] += m.of(s)
				}
			}
		})
	}
	wg.Wait()
	for l, n := range sums {
		ch <- prometheus.MustNewConstMetric(metrics[l.m].desc, metrics[l.m].kind, float64(n), l.store)
	}
}
