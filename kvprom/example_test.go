package kvprom_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/kvprom"
)

// The metrics of a registry and of its calls.
func Example() {
	logger := slog.Default()
	calls := kvprom.NewCalls(nil)
	registry := extlibs.NewRegistry(extlibs.Observe(calls.Observe), extlibs.Logger(logger))
	prometheus.MustRegister(calls, kvprom.Collector(registry))
	defer registry.Close()

	if err := registry.Default().Set(context.Background(), "k", 1, 0); err != nil {
		fmt.Println(err)
	}
	families, err := prometheus.DefaultGatherer.Gather()
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "scriptling_kv_call") || f.GetName() == "scriptling_kv_keys" {
			fmt.Println(f.GetName())
		}
	}
	fmt.Println(err)
	// Output:
	// scriptling_kv_call_errors_total
	// scriptling_kv_call_seconds
	// scriptling_kv_keys
	// <nil>
}
