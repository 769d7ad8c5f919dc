package kvprom

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/scriptling-kv/extlibs"
)

// maxStores limits the stores that Calls shows by name: scripts choose names, and each
// takes a histogram for each call.
const maxStores = 100

// otherStores is the label of the stores beyond maxStores.
const otherStores = "other"

// Calls are metrics of the calls on the stores of a registry. The registry must be created
// with extlibs.Observe:
//
//	calls := kvprom.NewCalls(nil)
//	registry := extlibs.NewRegistry(extlibs.Observe(calls.Observe))
//	prometheus.MustRegister(calls)
//
// The metrics have the labels store and call, the second one also kind:
//
//	scriptling_kv_call_seconds       a histogram of the durations
//	scriptling_kv_call_errors_total  failed calls, by the kind of the error
//
// The first 100 stores have their names as label; all others share the label "other".
//
// The first call of each name on a store also creates its counters of the errors commit_unknown,
// unavailable, full, corrupt and replaced, with the value 0: to Prometheus, the increase of a
// counter that appears with the value 1 is 0, so an alert would miss the first error.
type Calls struct {
	seconds *prometheus.HistogramVec
	errors  *prometheus.CounterVec

	mu    sync.RWMutex
	known map[string]map[string]bool // the calls seen of each store with a label
}

// NewCalls returns the metrics of the calls of a registry, with labels that distinguish it
// from other registries; nil for none.
func NewCalls(labels prometheus.Labels) *Calls {
	return &Calls{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "scriptling_kv_call_seconds", Help: "Durations of calls on stores.", ConstLabels: labels,
			Buckets: prometheus.ExponentialBuckets(1e-6, 4, 14), // 1 µs to 67 s
		}, []string{labelStore, "call"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scriptling_kv_call_errors_total", Help: "Failed calls on stores, by the kind of the error.", ConstLabels: labels,
		}, []string{labelStore, "call", "kind"}),
		known: map[string]map[string]bool{otherStores: {}},
	}
}

// Observe counts a call. It is the argument of extlibs.Observe, and safe for concurrent
// use.
func (c *Calls) Observe(call extlibs.Call) {
	store := c.label(call.Store, call.Name)
	c.seconds.WithLabelValues(store, call.Name).Observe(call.Duration.Seconds())
	if call.Err != nil {
		c.errors.WithLabelValues(store, call.Name, kindOf(call.Err)).Inc()
	}
}

// label returns the label of a store. At the first call of that name on it, it creates the
// counters of alertKinds.
func (c *Calls) label(store, call string) string {
	store = strings.ToValidUTF8(store, "?")
	c.mu.RLock()
	store = c.shown(store)
	seen := c.known[store][call]
	c.mu.RUnlock()
	if seen {
		return store
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	store = c.shown(store)
	if c.known[store] == nil {
		c.known[store] = map[string]bool{}
	}
	if !c.known[store][call] {
		c.known[store][call] = true
		for _, kind := range alertKinds {
			c.errors.WithLabelValues(store, call, kind)
		}
	}
	return store
}

// shown returns store, or otherStores for a store that is not known when maxStores are.
func (c *Calls) shown(store string) string {
	if c.known[store] == nil && len(c.known) > maxStores { // otherStores is in known too
		return otherStores
	}
	return store
}

// Describe implements prometheus.Collector.
func (c *Calls) Describe(ch chan<- *prometheus.Desc) {
	c.seconds.Describe(ch)
	c.errors.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c *Calls) Collect(ch chan<- prometheus.Metric) {
	c.seconds.Collect(ch)
	c.errors.Collect(ch)
}

var kinds = []struct {
	err  error
	name string
}{
	{extlibs.ErrCommitUnknown, "commit_unknown"}, {extlibs.ErrUnavailable, "unavailable"}, {extlibs.ErrClosed, "closed"},
	{extlibs.ErrFull, "full"}, {extlibs.ErrTooLarge, "too_large"}, {extlibs.ErrCorrupt, "corrupt"}, {extlibs.ErrReadOnly, "read_only"},
	{extlibs.ErrReplaced, "replaced"}, {extlibs.ErrConflict, "conflict"}, {extlibs.ErrType, "type"}, {extlibs.ErrInvalid, "invalid"},
	{extlibs.ErrOverflow, "overflow"}, {errors.ErrUnsupported, "unsupported"}, {context.Canceled, "canceled"}, {context.DeadlineExceeded, "deadline"},
}

// alertKinds are the kinds of errors for which docs/operating.md has alerts.
var alertKinds = []string{"commit_unknown", "unavailable", "full", "corrupt", "replaced"}

// kindOf returns the name of the kind of an error.
func kindOf(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	return "other"
}
