package extlibs

import (
	"context"
	"errors"
	"fmt"
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
