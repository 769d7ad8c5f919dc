package extlibs

import (
	"log/slog"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/scriptling-kv/extlibs/internal/hashtable"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Defaults of the options, and bounds that are no options.
const (
	DefaultMaxStores         = 1024            // open stores in a registry
	DefaultMaxCreatedFiles   = 1024            // files that the scripts of a registry create
	DefaultMaxTasks          = 1024            // background tasks of a registry that run at once
	DefaultMaxValueBytes     = 16 << 20        // bytes of one encoded value
	DefaultMaxOperationBytes = 256 << 20       // bytes of memory that one call on many keys, or one decoded value, takes
	DefaultMaxMemoryBytes    = 1 << 30         // bytes of one in-memory store
	DefaultLogBytes          = 8 << 20         // bytes of the log in front of a file
	DefaultLockTimeout       = 1 * time.Second // wait for another process's file lock
	DefaultSweepInterval     = 250 * time.Millisecond

	MaxKeyBytes     = 32768                         // bytes of one key
	MaxDepth        = codec.MaxDepth                // 500 levels of nesting in one value
	MaxPatternBytes = glob.MaxBytes                 // 1,024 bytes of one pattern
	MaxPatternWords = glob.MaxAlternatives          // 64 alternatives of one pattern, braces multiplied out
	MinTTL          = 1 * time.Millisecond          // shortest time to live
	MaxTTL          = 100 * 365.25 * 24 * time.Hour // longest time to live
)

// An Option sets one property of a registry and of the stores that it opens.
// Without options a registry is durable and bounded: each write is on disk when
// its call returns, and the Default constants above are the limits.
type Option func(*options)

type options struct {
	mode              Mode
	readOnly          bool
	diskHook          access.Hook // nil but in tests
	verifyBytes       int64       // 0 but in tests
	maxCreatedFiles   int
	maxStores         int
	maxTasks          int
	maxValueBytes     int
	maxOperationBytes int
	maxKeys           int
	maxFileBytes      int64
	maxMemoryBytes    int64
	logBytes          int64
	lockTimeout       time.Duration
	sweepInterval     time.Duration
	clock             func() time.Time
	logger            *slog.Logger
}

func newOptions(opts []Option) options {
	o := options{
		maxCreatedFiles:   DefaultMaxCreatedFiles,
		maxStores:         DefaultMaxStores,
		maxTasks:          DefaultMaxTasks,
		maxValueBytes:     DefaultMaxValueBytes,
		maxOperationBytes: DefaultMaxOperationBytes,
		maxMemoryBytes:    DefaultMaxMemoryBytes,
		logBytes:          DefaultLogBytes,
		lockTimeout:       DefaultLockTimeout,
		sweepInterval:     DefaultSweepInterval,
		logger:            newDefaultLogger(),
	}
	o.apply(opts)
	return o
}

func (o *options) apply(opts []Option) {
	for _, set := range opts {
		if set != nil {
			set(o)
		}
	}
}

// Mode says when a write to a file is durable. See [Always] and [Interval].
type Mode struct {
	interval time.Duration
}

// Always is the default mode: a write that returned is on disk.
func Always() Mode { return Mode{} }

// Interval is the fast mode: a write returns once it is in the log, and is on disk
// at most d later, while the disk keeps up. So the end of the process, however it
// comes, loses nothing; a power cut loses at most the last d, and what is left is a
// prefix of what was acknowledged. d of zero or less is Always.
func Interval(d time.Duration) Mode { return Mode{interval: max(d, 0)} }

// Durability sets when writes to files are durable.
func Durability(m Mode) Option { return func(o *options) { o.mode = m } }

// ReadOnly opens files for reading only: they must exist, nothing is written, and
// any number of processes may read a file at once. A file that is open for writing
// is ErrInUse; a write to a store in a file is ErrReadOnly.
func ReadOnly() Option { return func(o *options) { o.readOnly = true } }

// MaxStores bounds the stores open at once, the default one not counted.
// n of zero or less means no limit.
func MaxStores(n int) Option { return func(o *options) { o.maxStores = n } }

// MaxTasks bounds the background tasks of a registry's scripts that run at once.
// n of zero or less means no limit.
func MaxTasks(n int) Option { return func(o *options) { o.maxTasks = n } }

// MaxCreatedFiles bounds the files that the scripts of a registry create by
// opening them, all scripts together, for as long as the registry lives. 0 lets
// them open only what exists, n of less than zero means no limit. It does not
// bind the host.
func MaxCreatedFiles(n int) Option { return func(o *options) { o.maxCreatedFiles = n } }

// MaxValueBytes bounds the encoded size of one value. n of zero or less sets
// DefaultMaxValueBytes: a value is never unbounded, nor ever larger than 2 GiB.
func MaxValueBytes(n int) Option {
	return func(o *options) {
		if n <= 0 {
			n = DefaultMaxValueBytes
		}
		o.maxValueBytes = min(n, hashtable.MaxValue)
	}
}

// MaxOperationBytes limits the memory that one call on many keys takes, such as
// GetMany, SetMany, Items, or ApplyMany of Handle.Store: the keys and encoded
// values that it reads and writes, the decoded values that it returns, by an
// estimate, and what the library needs for each besides (640 bytes for an operation
// of a batch, 224 for a key, 160 for an entry of a list). A call over the limit is
// ErrTooLarge and changes nothing. All, Count and DeleteMatching hold one page,
// which the store bounds.
//
// It also limits what one value takes, encoded and decoded, as three times MaxValueBytes
// does where that is more (an update holds two values, the old and the new); a value
// of up to 4 KiB is never too large. A larger one is ErrTooLarge when it is stored, and
// when it is read from a store that took it from elsewhere. A list of n dicts of None,
// of 3n bytes when encoded, takes 528n. n of zero or less sets DefaultMaxOperationBytes.
func MaxOperationBytes(n int) Option {
	return func(o *options) {
		if n <= 0 {
			n = DefaultMaxOperationBytes
		}
		o.maxOperationBytes = n
	}
}

// decodedGrowth is how many times MaxValueBytes a value takes at most, where that is
// more than MaxOperationBytes.
const decodedGrowth = 3

// entryRoom is what a call needs beside its one value: so each value that can be stored
// can be read by every call.
const entryRoom = 64 << 10

// smallValue is the bytes of an encoded value that is never too large once decoded: it
// takes less than a megabyte.
const smallValue = 4 << 10

// decodedBytes is how much memory one value takes at most, encoded and decoded.
func (o *options) decodedBytes() int64 {
	return max(int64(o.maxOperationBytes)-entryRoom, decodedGrowth*int64(o.maxValueBytes))
}

// MaxKeys bounds the live keys of each store. n of zero or less means no limit.
func MaxKeys(n int) Option { return func(o *options) { o.maxKeys = n } }

// admitKeys checks MaxKeys before a store has alive more live keys. count may
// return too many where that is within the limit.
func (o *options) admitKeys(alive int64, count func() (int64, error)) error {
	limit := int64(o.maxKeys)
	if limit <= 0 || alive <= 0 {
		return nil
	}
	n, err := count()
	if err == nil && n+alive > limit {
		err = o.errKeys()
	}
	return err
}

func (o *options) errKeys() error {
	return kverr.Errorf(ErrFull, "it would hold more than its limit of %d keys; delete some, or let the host raise MaxKeys", o.maxKeys)
}

// LogBytes sets the size of the log in front of each store's file: how much may
// wait for the file. Writes that are faster than the file takes them wait when the
// log is full; a call of more than half its size goes to the file directly. n is at
// least 16 KiB and at most 64 MiB; of zero or less it is DefaultLogBytes.
func LogBytes(n int64) Option {
	return func(o *options) {
		if n <= 0 {
			n = DefaultLogBytes
		}
		o.logBytes = n
	}
}

// MaxFileBytes bounds the size of each store's file and its log together. The log
// takes LogBytes of it, at most a quarter, and the file has the rest. n of zero or
// less means no limit but the disk.
func MaxFileBytes(n int64) Option { return func(o *options) { o.maxFileBytes = n } }

// MaxMemoryBytes limits each in-memory store: its encoded values, its keys twice
// (they are in two orders), 72 bytes for every key, what large values are rounded up
// to, and the names of expired keys until they are removed. A write beyond it first
// removes expired keys. A store that holds half of its limit or more collects garbage
// after each eighth of it that it writes or deletes, so that with Go's default GOGC
// the process takes at most one and a half times the limit for the store. What else
// the host allocates is the host's: see GOMEMLIMIT of package runtime. n of zero or
// less means no limit.
func MaxMemoryBytes(n int64) Option { return func(o *options) { o.maxMemoryBytes = n } }

// LockTimeout bounds the wait for a file that another process holds open. d of
// zero or less tries once.
func LockTimeout(d time.Duration) Option {
	return func(o *options) { o.lockTimeout = max(d, time.Millisecond) }
}

// SweepInterval is the least time between two removals of expired keys. It
// bounds how long an expired key takes up room, not how long it is visible:
// that is never past its deadline. d of zero or less sets
// DefaultSweepInterval.
func SweepInterval(d time.Duration) Option {
	return func(o *options) {
		if d <= 0 {
			d = DefaultSweepInterval
		}
		o.sweepInterval = d
	}
}

// Clock replaces time.Now where deadlines are judged, for tests. It must be safe
// for concurrent use; nil is time.Now.
func Clock(now func() time.Time) Option { return func(o *options) { o.clock = now } }

func (o *options) now() time.Time {
	if o.clock != nil {
		return o.clock()
	}
	return time.Now()
}

// Logger receives what no caller can be told: failures of background work, scripts'
// tasks included, and damage when it is found. All of it is warnings and errors.
// Without this option they go to slog.Default(), which is looked up for each of
// them. A nil l discards them.
func Logger(l *slog.Logger) Option {
	return func(o *options) {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		o.logger = l
	}
}
