// Package kvprom exports the counters of a registry's stores to Prometheus:
//
//	prometheus.MustRegister(kvprom.Collector(extlibs.DefaultRegistry()))
//
// A label distinguishes the registries of several tenants:
//
//	prometheus.MustRegister(kvprom.Collector(a, prometheus.Labels{"tenant": "a"}))
//	prometheus.MustRegister(kvprom.Collector(b, prometheus.Labels{"tenant": "b"}))
//
// If tenants come and go, use one [Collectors] for all of them.
//
// kvprom is a separate module, so that only hosts that import it link the Prometheus
// client. The metrics are those of [extlibs.Stats], with the name of the store as the
// label store:
//
//	scriptling_kv_keys, scriptling_kv_bytes,                  gauges
//	scriptling_kv_buffered_bytes
//	scriptling_kv_hits_total, scriptling_kv_misses_total      counters, reset when
//	scriptling_kv_sets_total, scriptling_kv_deletes_total     a store is reopened
//	scriptling_kv_expired_total, scriptling_kv_evicted_total,
//	scriptling_kv_commits_total
//	scriptling_kv_max_keys, scriptling_kv_max_bytes           gauges, the limits
//	scriptling_kv_server_round_trips_total,                   counters of a store on a
//	scriptling_kv_server_round_trip_seconds_total,            server, also while it does
//	scriptling_kv_server_redirects_total,                     not answer
//	scriptling_kv_server_unavailable_total,
//	scriptling_kv_server_unknown_total
//
// and those of a registry, without the label store:
//
//	scriptling_kv_tasks, scriptling_kv_max_tasks              gauges, background tasks
//
// Numbers that a backend does not know, such as the bytes of a store on a server, and limits
// that are not set, are omitted. [Calls] has metrics of the calls.
package kvprom

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/scriptling-kv/extlibs"
)

// timeout is how long a scrape waits for a store that does not answer.
const timeout = 1 * time.Second

// metric is one of the numbers of a store.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	of         func(reading) float64
	backend    bool // the backend counts it, and has to answer
}

// reading has the numbers of a store. Less than 0 is unknown.
type reading struct {
	extlibs.Stats
	extlibs.Limits
}

// limit returns a limit of a store, -1 if there is none.
func limit(n int64) float64 {
	if n <= 0 {
		return -1
	}
	return float64(n)
}

// onServer returns a number of a store on a server, which other stores do not have.
func onServer(of func(s *extlibs.ServerStats) float64) func(reading) float64 {
	return func(n reading) float64 {
		if n.Server == nil {
			return -1
		}
		return of(n.Server)
	}
}

var metrics = []metric{
	{"scriptling_kv_keys", "Live keys.", prometheus.GaugeValue, func(n reading) float64 { return float64(n.Keys) }, true},
	{"scriptling_kv_bytes", "In memory: keys, values and overhead; on disk: the file and its log.", prometheus.GaugeValue, func(n reading) float64 { return float64(n.Bytes) }, true},
	{"scriptling_kv_buffered_bytes", "Memory for changes that are in the log and not in the file yet.", prometheus.GaugeValue, func(n reading) float64 { return float64(n.Buffered) }, true},
	{"scriptling_kv_hits_total", "Reads of a live key; in memory, estimated from a sample.", prometheus.CounterValue, func(n reading) float64 { return float64(n.Hits) }, false},
	{"scriptling_kv_misses_total", "Reads of an absent key.", prometheus.CounterValue, func(n reading) float64 { return float64(n.Misses) }, false},
	{"scriptling_kv_sets_total", "Keys written.", prometheus.CounterValue, func(n reading) float64 { return float64(n.Sets) }, false},
	{"scriptling_kv_deletes_total", "Keys removed by a call.", prometheus.CounterValue, func(n reading) float64 { return float64(n.Deletes) }, false},
	{"scriptling_kv_expired_total", "Expired keys that were removed.", prometheus.CounterValue, func(n reading) float64 { return float64(n.Expired) }, true},
	{"scriptling_kv_evicted_total", "Keys that a cache removed to make room.", prometheus.CounterValue, func(n reading) float64 { return float64(n.Evicted) }, true},
	{"scriptling_kv_commits_total", "Syncs and commits that made writes durable.", prometheus.CounterValue, func(n reading) float64 { return float64(n.Commits) }, true},
	{"scriptling_kv_max_keys", "MaxKeys.", prometheus.GaugeValue, func(n reading) float64 { return limit(int64(n.MaxKeys)) }, false},
	{"scriptling_kv_max_bytes", "The limit of scriptling_kv_bytes: MaxMemoryBytes, MaxCacheBytes or MaxFileBytes.", prometheus.GaugeValue, func(n reading) float64 { return limit(n.MaxBytes) }, false},
	{"scriptling_kv_server_round_trips_total", "Requests that the server answered.", prometheus.CounterValue, onServer(func(s *extlibs.ServerStats) float64 { return float64(s.RoundTrips) }), false},
	{"scriptling_kv_server_round_trip_seconds_total", "Total time from requests to their answers.", prometheus.CounterValue, onServer(func(s *extlibs.ServerStats) float64 { return s.RoundTripTime.Seconds() }), false},
	{"scriptling_kv_server_redirects_total", "Answers that named another node of the cluster.", prometheus.CounterValue, onServer(func(s *extlibs.ServerStats) float64 { return float64(s.Redirects) }), false},
	{"scriptling_kv_server_unavailable_total", "Requests that failed because the server was unavailable.", prometheus.CounterValue, onServer(func(s *extlibs.ServerStats) float64 { return float64(s.Unavailable) }), false},
	{"scriptling_kv_server_unknown_total", "Writes whose outcome is unknown.", prometheus.CounterValue, onServer(func(s *extlibs.ServerStats) float64 { return float64(s.Unknown) }), false},
}

var (
	tasks    = metric{name: "scriptling_kv_tasks", help: "Background tasks that run.", kind: prometheus.GaugeValue}
	maxTasks = metric{name: "scriptling_kv_max_tasks", help: "MaxTasks.", kind: prometheus.GaugeValue}
)

// labelStore is the label that names a store.
const labelStore = "store"

// labelRegistry numbers the registries that have no labels, from the second one on.
const labelRegistry = "registry"

// Collector returns a collector of the counters of the stores that r has open at the time of
// the collection. The labels distinguish r from other registries; among registries without
// labels, the second one that gets a collector has the label registry="2", and so on.
// Collector panics if a label is named store or is invalid.
//
// It is safe for concurrent use. A store that does not answer within a second shows
// hits, misses, sets and deletes only; a closed one shows nothing. The collector is
// an unchecked one, because the labels of registries can differ: Prometheus can
// register any number of them, and cannot unregister them.
func Collector(r *extlibs.Registry, labels ...prometheus.Labels) prometheus.Collector {
	all := prometheus.Labels{}
	for _, l := range labels {
		maps.Copy(all, l)
	}
	if n := numberOf(r, len(all) > 0); n > 1 {
		all[labelRegistry] = strconv.Itoa(n)
	}
	return newCollector(func() []labelled { return []labelled{{r, all}} }, all)
}

// Collectors returns a collector of the counters of the registries that list returns at the
// time of the collection, by the value of a label such as "tenant". It does what Collector
// does for each of them. A registry that list no longer returns is no longer shown, and is not
// kept in memory. list can be called concurrently.
func Collectors(label string, list func() map[string]*extlibs.Registry) prometheus.Collector {
	return newCollector(func() []labelled {
		var all []labelled
		for value, r := range list() {
			all = append(all, labelled{r, prometheus.Labels{label: strings.ToValidUTF8(value, "?")}})
		}
		return all
	}, prometheus.Labels{label: ""})
}

type labelled struct {
	registry *extlibs.Registry
	labels   prometheus.Labels
}

type collector struct{ list func() []labelled }

// newCollector panics if example, labels as list returns them, are invalid.
func newCollector(list func() []labelled, example prometheus.Labels) collector {
	if _, taken := example[labelStore]; taken {
		panic(`kvprom: label "store" is the name of a store; call the label of a registry something else`)
	}
	m := metrics[0]
	if _, err := prometheus.NewConstMetric(m.desc(example, labelStore), m.kind, 0, ""); err != nil {
		panic(fmt.Sprintf("kvprom: %v", err))
	}
	return collector{list}
}

func (m metric) desc(labels prometheus.Labels, variable ...string) *prometheus.Desc {
	return prometheus.NewDesc(m.name, m.help, variable, labels)
}

// send sends a number of a registry.
func (m metric) send(ch chan<- prometheus.Metric, labels prometheus.Labels, n int) {
	ch <- prometheus.MustNewConstMetric(m.desc(labels), m.kind, float64(n))
}

// numbers has the registries that have a collector without labels.
var numbers = struct {
	sync.Mutex
	of   map[weak.Pointer[extlibs.Registry]]int
	next int
}{of: map[weak.Pointer[extlibs.Registry]]int{}, next: 1}

// numberOf returns the number of a registry, 0 for one that has labels.
func numberOf(r *extlibs.Registry, hasLabels bool) int {
	if hasLabels {
		return 0
	}
	numbers.Lock()
	defer numbers.Unlock()
	key := weak.Make(r)
	n, known := numbers.of[key]
	if !known {
		n = numbers.next
		numbers.next++
		numbers.of[key] = n
		runtime.AddCleanup(r, func(key weak.Pointer[extlibs.Registry]) {
			numbers.Lock()
			defer numbers.Unlock()
			delete(numbers.of, key)
		}, key)
	}
	return n
}

// Describe sends nothing, which makes the collector an unchecked one.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics of all open stores.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, l := range c.list() {
		if l.registry != nil {
			wg.Go(func() { l.collect(ctx, ch) })
		}
	}
	wg.Wait()
}

// collect sends the metrics of the open stores of a registry.
func (l labelled) collect(ctx context.Context, ch chan<- prometheus.Metric) {
	type label struct {
		store string
		m     int
	}
	open := false
	sums := map[label]float64{} // one URL with two passwords is two stores of one name
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, h := range append(l.registry.Stores(), l.registry.Default()) {
		wg.Go(func() {
			s, err := h.Stats(ctx)
			if errors.Is(err, extlibs.ErrClosed) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			open = true
			of := reading{s, h.Limits()}
			for i, m := range metrics {
				n := m.of(of)
				if n >= 0 && (err == nil || !m.backend) { // less than 0 is unknown
					sums[label{strings.ToValidUTF8(h.Name(), "?"), i}] += n
				}
			}
		})
	}
	wg.Wait()
	descs := make([]*prometheus.Desc, len(metrics))
	for i, m := range metrics {
		descs[i] = m.desc(l.labels, labelStore)
	}
	if open {
		running, limit := l.registry.Tasks()
		tasks.send(ch, l.labels, running)
		if limit > 0 {
			maxTasks.send(ch, l.labels, limit)
		}
	}
	for at, n := range sums {
		ch <- prometheus.MustNewConstMetric(descs[at.m], metrics[at.m].kind, n, at.store)
	}
}
