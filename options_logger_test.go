//go:build unix

package extlibs_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// setDefaultLogger makes slog.Default() write to the buffer that it returns.
func setDefaultLogger(t *testing.T) *bytes.Buffer {
	t.Helper()
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	return &log
}

// failedCheckpoint closes a store whose file takes no commit.
func failedCheckpoint(t *testing.T, opts ...extlibs.Option) (beforeClose func()) {
	t.Helper()
	var a acts
	r := extlibs.NewRegistry(append(opts, extlibs.DiskHook(a.hook))...)
	h := mustOpen(t, r, onDisk.storeName(t))
	must(t, h.Set(ctx, "a", "in the log", 0))
	a.failing(access.ActCommit)
	return func() {
		if err := r.Close(); err == nil {
			t.Error("a close that could not write the file is no error")
		}
	}
}

func TestWithoutALoggerFailuresGoToTheDefaultOneOfTheirTime(t *testing.T) {
	closeStore := failedCheckpoint(t)
	log := setDefaultLogger(t) // after the registry was made
	closeStore()
	if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "store.db") {
		t.Errorf("the default logger got %q", got)
	}
	log.Reset()
	failedCheckpoint(t, extlibs.Logger(nil))()
	if log.Len() > 0 {
		t.Errorf("Logger(nil) logged %q", log)
	}
}

func TestTheDefaultLoggerGetsWarningsAndErrorsOnly(t *testing.T) {
	var given *slog.Logger
	extlibs.RegisterDriver("loggertest", func(_ context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		given = c.Logger
		return backends[0].open(t).Store(), nil
	})
	mustOpen(t, backends[0].registry(t), "loggertest://x")
	log := setDefaultLogger(t)
	derived := given.With("a", 1).WithGroup("g").With("b", 2)
	sister := derived.With("c", 3)
	given.Debug("debug")
	given.Info("info")
	derived.Warn("warning")
	sister.Error("failure", "d", 4)
	want := []string{`level=WARN msg=warning a=1 g.b=2`, `level=ERROR msg=failure a=1 g.b=2 g.c=3 g.d=4`}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("the default logger got %q", log)
	}
	for i, line := range lines {
		if !strings.HasSuffix(line, want[i]) {
			t.Errorf("line %d is %q, want %q", i, line, want[i])
		}
	}
	slog.SetDefault(derived) // which would forward to itself
	slog.Error("this must end")
}
