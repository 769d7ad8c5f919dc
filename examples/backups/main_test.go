package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/examples/backups/rotation"
)

// screen collects what the host prints, and ends it when it runs.
type screen struct {
	strings.Builder
	end context.CancelFunc
}

func (s *screen) Write(p []byte) (int, error) {
	if strings.HasPrefix(string(p), "run ") {
		s.end()
	}
	return s.Builder.Write(p)
}

func TestAStoreContinuesAfterARestart(t *testing.T) {
	for name, store := range map[string]string{"memory": ":memory:app", "file": filepath.Join(t.TempDir(), "app.db")} {
		t.Run(name, func(t *testing.T) {
			c := config{store: store, dir: filepath.Join(t.TempDir(), "new"), every: time.Hour, keep: 2}
			for i, want := range []string{"run 1\n", "run 2\n", "run 3\n", "run 4\n"} {
				ctx, end := context.WithCancel(t.Context())
				out := &screen{end: end}
				if err := host(ctx, c, out); err != nil {
					t.Fatal(err)
				}
				restored := strings.Contains(out.String(), "restored 1 keys from ")
				if !strings.Contains(out.String(), want) || restored != (name == "memory" && i > 0) {
					t.Errorf("run %d prints:\n%s", i+1, out)
				}
			}
			folder, err := rotation.New(c.dir, c.keep)
			if err != nil {
				t.Fatal(err)
			}
			if backups, err := folder.List(); err != nil || len(backups) != c.keep {
				t.Errorf("%d backups (%v), want %d", len(backups), err, c.keep)
			}
		})
	}
}
