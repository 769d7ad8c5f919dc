package extlibs

import (
	"log/slog"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/diskstore"
	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/scriptling-kv/extlibs/internal/testoption"
)

// Defaults of the options, and fixed limits.
const (
	DefaultMaxStores         = 1024            // open stores in a registry
	DefaultMaxCreatedFiles   = 1024            // files that the scripts of a registry create
	DefaultMaxTasks          = 1024            // background tasks of a registry that run at once
	DefaultMaxValueBytes     = 16 << 20        // bytes of one encoded value
	DefaultMaxOperationBytes = 256 << 20       // bytes of memory that one call on many keys, or one decoded value, takes
	DefaultMaxMemoryBytes    = 1 << 30         // bytes of one in-memory store
	DefaultMaxCacheBytes     = 64 << 20        // bytes of one cache
	DefaultLogBytes          = 8 << 20         // bytes of the write-ahead log of a file
	DefaultLockTimeout       = 1 * time.Second // wait for the lock of a file that another process has open
	DefaultSweepInterval     = 250 * time.Millisecond

	MaxKeyBytes            = 32768                         // bytes of one key
	MaxDepth               = codec.MaxDepth                // 500 levels of nesting in one value
	MaxPatternBytes        = glob.MaxBytes                 // 1,024 bytes of one pattern
	MaxPatternAlternatives = glob.MaxAlternatives          // 64 alternatives of one pattern, braces multiplied out
	MinTTL                 = 1 * time.Millisecond          // shortest time to live
	MaxTTL                 = 100 * 365.25 * 24 * time.Hour // longest time to live
)

// Option sets one property of a registry and, if it is a StoreOption, of the stores that
// the registry opens. Without options a write is durable when its call returns, and the
// Default constants are the limits.
type Option interface{ apply(*options) }

// registryOption is an Option of registries alone.
type registryOption func(*options)

func (set registryOption) apply(o *options) { set(o) }

// options are the properties of a registry. A Handle has a copy, with those of its store.
type options struct {
	storeOptions
	maxCreatedFiles int
	maxStores       int
	maxTasks        int
	rules           storeRules
	clock           func() time.Time
	logger          *slog.Logger
	observers       []func(Call)
	diskHook        access.Hook     // nil but in tests
	diskParts       diskstore.Parts // zero but in tests
}

func init() {
	testoption.Parts = func(p diskstore.Parts) any {
		return registryOption(func(o *options) { o.diskParts = p })
	}
}

func newOptions(opts []Option) options {
	o := options{
		storeOptions: storeOptions{
			maxValueBytes:     DefaultMaxValueBytes,
			maxOperationBytes: DefaultMaxOperationBytes,
			maxMemoryBytes:    DefaultMaxMemoryBytes,
			maxCacheBytes:     DefaultMaxCacheBytes,
			logBytes:          DefaultLogBytes,
			lockTimeout:       DefaultLockTimeout,
			sweepInterval:     DefaultSweepInterval,
		},
		maxCreatedFiles: DefaultMaxCreatedFiles,
		maxStores:       DefaultMaxStores,
		maxTasks:        DefaultMaxTasks,
		logger:          newDefaultLogger(),
	}
	o.apply(opts)
	return o
}

func (o *options) apply(opts []Option) {
	for _, opt := range opts {
		if opt != nil {
			opt.apply(o)
		}
	}
}

// MaxStores limits the number of open stores, without the default store. n of zero or
// less means no limit.
func MaxStores(n int) Option {
	return registryOption(func(o *options) { o.maxStores = n })
}

// MaxTasks limits how many background tasks of a registry's scripts run at the same time.
// n of zero or less means no limit.
func MaxTasks(n int) Option {
	return registryOption(func(o *options) { o.maxTasks = n })
}

// MaxCreatedFiles limits how many files the scripts of a registry can create by opening
// them, all scripts together, during the life of the registry. With 0 they can only open
// existing files; less than zero means no limit. It does not restrict the host.
func MaxCreatedFiles(n int) Option {
	return registryOption(func(o *options) { o.maxCreatedFiles = n })
}

// Clock replaces time.Now as the clock for deadlines, for tests. now must be safe for
// concurrent use; nil is time.Now.
func Clock(now func() time.Time) Option {
	return registryOption(func(o *options) { o.clock = now })
}

func (o *options) now() time.Time {
	if o.clock != nil {
		return o.clock()
	}
	return time.Now()
}

// Logger receives reports that cannot be returned to a caller: failures of background work
// and of background tasks, damage, and slow calls (see SlowCalls). It also receives one line
// of level Info, with a duration, for each file that is opened, and for each backup,
// compaction, export and import. Without this option warnings and errors, but no other lines,
// go to slog.Default() at the time of the message. A nil l discards all.
func Logger(l *slog.Logger) Option {
	return registryOption(func(o *options) {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		o.logger = l
	})
}
