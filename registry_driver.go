package extlibs

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Opener opens the store of a URL, for a driver. It obeys ctx. Its errors must not
// contain the password of the URL.
type Opener func(ctx context.Context, c OpenConfig) (Store, error)

// OpenConfig contains what a driver needs to open a store.
type OpenConfig struct {
	URL *url.URL // as given, including the password; the driver can change it

	// FromScript reports that a script gave the URL. Such a URL must not choose the
	// settings of the host, such as a file of certificates: a driver refuses a query
	// with ErrInvalid. The registry has already refused a user and a password.
	FromScript bool

	// The host's settings; see the options of the same names. A Handle checks MaxValueBytes
	// and MaxOperationBytes itself; a backend whose LoadMany copies values can check the
	// latter before it copies each value, which saves memory. A backend that keeps its keys on
	// a server may leave MaxKeys to the server.
	MaxKeys           int
	MaxValueBytes     int
	MaxOperationBytes int
	SweepInterval     time.Duration
	Logger            *slog.Logger     // never nil
	Clock             func() time.Time // never nil
}

var drivers struct {
	sync.Mutex
	openers map[string]Opener
}

// RegisterDriver makes the stores of a URL scheme available to every registry of the
// process, as database/sql does with its drivers: the driver's package calls it in an
// init function, and a host imports that package. It panics if opener is nil, if the
// scheme is not a lower-case word, or if the scheme is registered already.
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

// parseURL reads the URL of a store. No error quotes it or wraps one of package
// url, which would: it may carry a password.
func parseURL(name string) (*url.URL, error) {
	scheme, _, _ := strings.Cut(name, "://")
	scheme = strings.ToLower(scheme)
	drivers.Lock()
	_, known := drivers.openers[scheme]
	schemes := slices.Sorted(maps.Keys(drivers.openers))
	drivers.Unlock()
	if !known {
		have := "none is registered"
		if len(schemes) > 0 {
			have = "registered are " + strings.Join(schemes, ", ")
		}
		return nil, kverr.Errorf(ErrInvalid, `no driver for scheme %q (%s); use the path of a file, ":memory:NAME", ":cache:NAME", or import a driver, such as redisstore, in the host`, shorten(scheme), have)
	}
	u, err := access.ParseURL(name)
	if err != nil {
		return nil, kverr.Errorf(ErrInvalid, "store of scheme %q: %w", scheme, err)
	}
	return u, nil
}

func openDriver(ctx context.Context, u *url.URL, o options, script bool) (Store, error) {
	drivers.Lock()
	open := drivers.openers[u.Scheme]
	drivers.Unlock()
	if open == nil { // parseURL has checked it
		return nil, kverr.Errorf(ErrInvalid, "no driver for scheme %q", u.Scheme)
	}
	s, err := open(ctx, OpenConfig{
		URL:               u,
		FromScript:        script,
		MaxKeys:           o.maxKeys,
		MaxValueBytes:     o.maxValueBytes,
		MaxOperationBytes: o.maxOperationBytes,
		SweepInterval:     o.sweepInterval,
		Logger:            o.logger,
		Clock:             o.now,
	})
	if err != nil {
		return nil, &storeError{store: shownURL(u), err: kverr.WithoutPath(err)}
	}
	return s, nil
}
