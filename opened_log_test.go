package extlibs_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

func TestOpensAndReplaysAreLinesOfTheLogWithADuration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	r := extlibs.NewRegistry()
	defer r.Close()
	must(t, mustOpen(t, r, path).Set(ctx, "k", "only in the log", 0))
	crashed := filepath.Join(t.TempDir(), "crashed.db") // as a crash leaves the store
	for _, suffix := range []string{"", "-log"} {
		b, err := os.ReadFile(path + suffix)
		must(t, err)
		must(t, os.WriteFile(crashed+suffix, b, 0o600))
	}
	extlibs.RegisterDriver("opened", func(_ context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		return backends[0].open(t).Store(), nil
	})
	for name, want := range map[string][]string{
		crashed:                          {`"kv: replayed a log" store=` + crashed + " bytes=", `"kv: opened a store" store=` + crashed + " duration="},
		path + "2":                       {`"kv: opened a store" store=` + path + "2 duration="},
		"opened://user:password@host/db": {`"kv: opened a store" store=opened://host/db duration=`},
	} {
		var log bytes.Buffer
		other := extlibs.NewRegistry(extlibs.Logger(slog.New(slog.NewTextHandler(&log, nil))))
		h := mustOpen(t, other, name)
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != len(want) {
			t.Fatalf("the log of %s is:\n%s", name, &log)
		}
		for i := range want {
			if !strings.Contains(lines[i], "level=INFO msg="+want[i]) || !strings.Contains(lines[i], " duration=") || strings.Contains(lines[i], "bytes=0") || strings.Contains(lines[i], "password") {
				t.Errorf("line %d is %s, want %s", i, lines[i], want[i])
			}
		}
		if name == crashed {
			if v, err := h.Get(ctx, "k"); err != nil || v != "only in the log" {
				t.Errorf("%v, %v", v, err)
			}
		}
		must(t, other.Close())
	}
}
