package extlibs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// memoryPrefix starts the names of in-memory stores.
const memoryPrefix = ":memory:"

const maxMemoryName = 1024 // bytes after the prefix

// isMemoryName also takes what can only be meant as such a name: nobody wants a
// file called ":memory" or "memory:x".
func isMemoryName(name string) bool {
	return name == "" || strings.HasPrefix(name, memoryPrefix) ||
		(name[0] == ':' || strings.HasPrefix(name, memoryPrefix[1:])) && !strings.Contains(name, "://")
}

func isURL(name string) bool { return strings.Contains(name, "://") }

// shownURL leaves out what may be secret: user, password, and the query, in which
// some servers take one.
func shownURL(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// withNameHint adds to the refusal of a path what else a bare word may have been
// meant as. Where a store of that name is there, only busy or damaged, a file was
// meant.
func withNameHint(name string, err error) error {
	if err == nil || strings.ContainsAny(name, `./\:`) {
		return err
	}
	for _, other := range []error{ErrInUse, ErrCorrupt, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, other) {
			return err
		}
	}
	hint := `a name without a folder or an extension is a file in the current folder too; a store in memory is ":memory:NAME"`
	if name == "default" {
		hint += ", and the host's store is kv.default"
	}
	return fmt.Errorf("%w (%s)", err, hint)
}
