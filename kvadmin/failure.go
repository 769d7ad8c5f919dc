package kvadmin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/scriptling-kv/extlibs"
)

// failure is an error with the status and the code of its answer.
type failure struct {
	status int
	code   string
	text   string
}

func (f *failure) Error() string { return f.text }

func fail(status int, code, format string, args ...any) error {
	return &failure{status, code, fmt.Sprintf(format, args...)}
}

// refusal is what a handler without Allow says.
const refusal = "kvadmin shows nothing until its host says to whom: set Options.Allow, for example " +
	`kvadmin.Handler(registry, kvadmin.Options{Allow: kvadmin.Password(os.Getenv("KV_PASSWORD"))})`

var (
	errNoPath   = &failure{http.StatusNotFound, "no_path", "there is no such page"}
	errNoKey    = &failure{http.StatusNotFound, "not_found", "the key is absent or expired"}
	errReadOnly = &failure{http.StatusForbidden, "read_only", "the host shows its stores read-only; it permits changes with kvadmin.Options.Write"}
	errValues   = &failure{http.StatusForbidden, "values_hidden", "the host hides values; it shows and exports them with kvadmin.Options.Values"}
	errBackups  = &failure{http.StatusForbidden, "backup_off", "the host permits no backups; it does so with kvadmin.Options.Backup"}
	errHides    = &failure{http.StatusForbidden, "backup_off", "the host hides some keys, so there are no backups: a file has them all"}
	errBusy     = &failure{http.StatusServiceUnavailable, "busy", "another scan of a store is running; try again when it has ended"}
)

// sentinels are the codes and statuses of the library's errors.
var sentinels = []struct {
	err    error
	code   string
	status int
}{
	{extlibs.ErrNotFound, "not_found", http.StatusNotFound},
	{extlibs.ErrInvalid, "invalid", http.StatusBadRequest},
	{extlibs.ErrType, "type", http.StatusBadRequest},
	{extlibs.ErrTooLarge, "too_large", http.StatusRequestEntityTooLarge},
	{extlibs.ErrConflict, "conflict", http.StatusConflict},
	{extlibs.ErrReadOnly, "read_only", http.StatusForbidden},
	{extlibs.ErrFull, "full", http.StatusInsufficientStorage},
	{extlibs.ErrClosed, "closed", http.StatusServiceUnavailable},
	{extlibs.ErrUnavailable, "unavailable", http.StatusServiceUnavailable},
	{extlibs.ErrCommitUnknown, "commit_unknown", http.StatusInternalServerError},
	{extlibs.ErrCorrupt, "corrupt", http.StatusInternalServerError},
	{extlibs.ErrReplaced, "replaced", http.StatusInternalServerError},
	{errors.ErrUnsupported, "unsupported", http.StatusNotImplemented},
	{context.DeadlineExceeded, "timeout", http.StatusServiceUnavailable},
}

// failureOf returns an error with its status and code.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &failure{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the request has more than %d bytes", large.Limit)}
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return &failure{s.status, s.code, err.Error()}
		}
	}
	return &failure{http.StatusInternalServerError, "internal", err.Error()}
}
