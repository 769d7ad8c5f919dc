package extlibs

import (
	"context"
	"log/slog"
)

// newDefaultLogger returns a logger that passes warnings and errors on to
// slog.Default(), looked up for each record: a host can replace it at any time.
func newDefaultLogger() *slog.Logger { return slog.New(defaultHandler{}) }

// defaultHandler is a slog.Handler that forwards to the handler of slog.Default().
type defaultHandler struct {
	derive []func(slog.Handler) slog.Handler // WithAttrs and WithGroup, in order
}

// target returns the handler of slog.Default(), or nil if a host made this logger
// the default one, which would forward to itself.
func (h defaultHandler) target() slog.Handler {
	target := slog.Default().Handler()
	if _, itself := target.(defaultHandler); itself {
		return nil
	}
	for _, derive := range h.derive {
		target = derive(target)
	}
	return target
}

func (h defaultHandler) Enabled(ctx context.Context, level slog.Level) bool {
	if level < slog.LevelWarn {
		return false
	}
	target := h.target()
	return target != nil && target.Enabled(ctx, level)
}

func (h defaultHandler) Handle(ctx context.Context, r slog.Record) error {
	if target := h.target(); target != nil {
		return target.Handle(ctx, r)
	}
	return nil
}

func (h defaultHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(target slog.Handler) slog.Handler { return target.WithAttrs(attrs) })
}

func (h defaultHandler) WithGroup(name string) slog.Handler {
	return h.with(func(target slog.Handler) slog.Handler { return target.WithGroup(name) })
}

func (h defaultHandler) with(derive func(slog.Handler) slog.Handler) slog.Handler {
	return defaultHandler{append(h.derive[:len(h.derive):len(h.derive)], derive)}
}
