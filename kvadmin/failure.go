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

// Each refusal ends with the option that the developer of the host has to change.
var (
	errNoAllow = &failure{http.StatusForbidden, "refused", "the host permits no requests; set kvadmin.Options.Allow in the host, for example " +
		`kvadmin.Handler(registry, kvadmin.Options{Allow: kvadmin.Password(os.Getenv("KV_PASSWORD"))})`}
	errNoPassword = errors.New("the host permits no requests, because its password is empty; set kvadmin.Options.Allow in the host to kvadmin.Password of a password")
	errNoPath     = &failure{http.StatusNotFound, "no_path", "there is no such page"}
	errNoKey      = &failure{http.StatusNotFound, "not_found", "the key is absent or expired"}
	errReadOnly   = &failure{http.StatusForbidden, "read_only", "the host shows its stores read-only; set kvadmin.Options.Write in the host to permit changes"}
	errValues     = &failure{http.StatusForbidden, "values_hidden", "the host hides values; set kvadmin.Options.Values in the host to show and export them"}
	errBackups    = &failure{http.StatusForbidden, "backup_off", "the host permits no backups; set kvadmin.Options.Backup in the host to permit them"}
	errHides      = &failure{http.StatusForbidden, "backup_off", "the host permits no backups, because they would contain the keys that it hides; export the other keys, or remove kvadmin.Options.Hide in the host"}
	errHidden     = &failure{http.StatusForbidden, "refused", "the host permits no changes of this key; change kvadmin.Options.Hide in the host to permit them"}
	errBusy       = &failure{http.StatusServiceUnavailable, "busy", "another scan of a store is running; try again when it has ended"}
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
