package extlibs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

const maxMemoryName = 1024 // bytes after the prefix

// isMemoryName also takes what can only be meant as such a name: no user wants a
// file called ":memory" or "cache:x".
func isMemoryName(name string) bool {
	return name == "" || strings.HasPrefix(name, memoryPrefix) || strings.HasPrefix(name, cachePrefix) ||
		(name[0] == ':' || strings.HasPrefix(name, memoryPrefix[1:]) || strings.HasPrefix(name, cachePrefix[1:])) && !strings.Contains(name, "://")
}

func isCacheName(name string) bool { return strings.HasPrefix(name, cachePrefix) }

// checkMemoryName returns the error of an invalid name of a store in memory.
func checkMemoryName(name string) error {
	prefix, kind := memoryPrefix, "in-memory store"
	if strings.HasPrefix(strings.ToLower(strings.TrimPrefix(name, ":")), strings.Trim(cachePrefix, ":")) {
		prefix, kind = cachePrefix, "cache"
	}
	switch rest, ok := strings.CutPrefix(name, prefix); {
	case !ok || rest == "":
		return kverr.Errorf(ErrInvalid, `store name %q is not complete; use "%sNAME" or the path of a file`, shorten(name), prefix)
	case len(rest) > maxMemoryName:
		return kverr.Errorf(ErrInvalid, "the name of the %s has %d bytes; use 1 to %d", kind, len(rest), maxMemoryName)
	}
	return nil
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
	hint := `a name without a folder or an extension is a file in the current folder too; a store in memory is ":memory:NAME", a cache ":cache:NAME"`
	if name == "default" {
		hint += ", and the host's store is kv.default"
	}
	return fmt.Errorf("%w (%s)", err, hint)
}
