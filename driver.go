package extlibs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Opener opens the store that a URL names, for a driver. It obeys ctx.
type Opener func(ctx context.Context, url string) (Store, error)

var drivers struct {
	sync.Mutex
	openers map[string]Opener
}

// RegisterDriver makes stores of a URL scheme available to every registry of
// the process, as database/sql does with its drivers: the driver's package calls
// it in an init function, and a host imports that package. It panics if opener
// is nil, if the scheme is not a lower-case word, or if it is taken.
func RegisterDriver(scheme string, opener Opener) {
	if opener == nil {
		panic("extlibs: RegisterDriver: opener is nil")
	}
	if scheme == "" || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+.-") != "" {
		panic(fmt.Sprintf("extlibs: RegisterDriver: %q is not a scheme", scheme))
	}
	drivers.Lock()
	defer drivers.Unlock()
	if drivers.openers[scheme] != nil {
		panic(fmt.Sprintf("extlibs: RegisterDriver: scheme %q is taken", scheme))
	}
	if drivers.openers == nil {
		drivers.openers = map[string]Opener{}
	}
	drivers.openers[scheme] = opener
}

func openDriver(ctx context.Context, scheme, url string) (Store, error) {
	drivers.Lock()
	open := drivers.openers[scheme]
	schemes := slices.Sorted(maps.Keys(drivers.openers))
	drivers.Unlock()
	if open == nil {
		known := "none is registered"
		if len(schemes) > 0 {
			known = "registered are " + strings.Join(schemes, ", ")
		}
		return nil, kverr.Errorf(ErrInvalid, `no driver for scheme %q (%s); use the path of a file, ":memory:NAME", or let the host import a driver`, shorten(scheme), known)
	}
	s, err := open(ctx, url)
	if err != nil {
		// The URL may carry a password.
		return nil, fmt.Errorf("store on %s: %w", scheme, err)
	}
	return s, nil
}
