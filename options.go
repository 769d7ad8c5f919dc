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

// Defaults of the options, and fixed limits.
const (
	DefaultMaxStores         = 1024            // open stores in a registry
	DefaultMaxCreatedFiles   = 1024            // files that the scripts of a registry create
	DefaultMaxTasks          = 1024            // background tasks of a registry that run at once
	DefaultMaxValueBytes     = 16 << 20        // bytes of one encoded value
	DefaultMaxOperationBytes = 256 << 20       // bytes of memory that one call on many keys, or one decoded value, takes
	DefaultMaxMemoryBytes    = 1 << 30         // bytes of one in-memory store
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

// Option sets one property of a registry and of the stores that it opens. Without options
// a write is durable when its call returns, and the Default constants are the limits.
type Option func(*options)

type options struct {
	mode              Mode
	readOnly          bool
	diskHook          access.Hook // nil but in tests
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

// Mode is when writes to a file become durable. See Always and Interval.
type Mode struct {
	interval time.Duration
}

// Always is the default mode: when a write returns, it is durable.
func Always() Mode { return Mode{} }

// Interval is the fast mode: a write returns when it is in the log, which is synced at
// most d later as long as the disk keeps up. A crash of the process loses nothing; a
// power failure loses at most the writes of the last d, and what survives is a prefix of
// the acknowledged writes. d of zero or less is Always.
func Interval(d time.Duration) Mode { return Mode{interval: max(d, 0)} }

// Durability sets when writes to files become durable.
func Durability(m Mode) Option { return func(o *options) { o.mode = m } }

// ReadOnly opens files for reading only: they must exist, and any number of processes can
// read a file at the same time. A file that is open for writing is ErrInUse; a write to a
// store in a file is ErrReadOnly.
func ReadOnly() Option { return func(o *options) { o.readOnly = true } }

// MaxStores limits the number of open stores, without the default store. n of zero or
// less means no limit.
func MaxStores(n int) Option { return func(o *options) { o.maxStores = n } }

// MaxTasks limits how many background tasks of a registry's scripts run at the same time.
// n of zero or less means no limit.
func MaxTasks(n int) Option { return func(o *options) { o.maxTasks = n } }

// MaxCreatedFiles limits how many files the scripts of a registry can create by opening
// them, all scripts together, during the life of the registry. With 0 they can only open
// existing files; less than zero means no limit. It does not restrict the host.
func MaxCreatedFiles(n int) Option { return func(o *options) { o.maxCreatedFiles = n } }

// MaxValueBytes limits the encoded size of one value. n of zero or less sets
// DefaultMaxValueBytes: there is always a limit, and it is at most 2 GiB.
func MaxValueBytes(n int) Option {
	return func(o *options) {
		if n <= 0 {
			n = DefaultMaxValueBytes
		}
		o.maxValueBytes = min(n, hashtable.MaxValue)
	}
}

// MaxOperationBytes limits the memory of one call on many keys, such as GetMany, SetMany,
// Items, or ApplyMany of Handle.Store. It counts the keys and encoded values that the
// call reads and writes, an estimate of the decoded values that it returns, and the
// overhead (640 bytes for an operation of a batch, 224 for a key, 160 for an entry of a
// list). A call that exceeds the limit is ErrTooLarge and changes nothing. All, Count and
// DeleteMatching hold one page, whose size the store limits.
//
// It also limits the memory of one value, encoded and decoded, as three times
// MaxValueBytes does if that is more (an update holds the old and the new value); a value
// of up to 4 KiB is never too large. A larger value is ErrTooLarge when it is stored, and
// when it is read from a store that got it elsewhere. A list of n dicts of None, encoded
// in 3n bytes, takes 528n. n of zero or less sets DefaultMaxOperationBytes.
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

// MaxKeys limits the number of live keys of each store. n of zero or less means no limit.
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

// LogBytes sets the size of the write-ahead log of each store's file, and so how many
// bytes of changes can wait for a checkpoint. When the log is full, writes wait for a
// checkpoint; a call larger than half of the log goes directly to the file. n is between
// 16 KiB and 64 MiB; zero or less is DefaultLogBytes.
func LogBytes(n int64) Option {
	return func(o *options) {
		if n <= 0 {
			n = DefaultLogBytes
		}
		o.logBytes = n
	}
}

// MaxFileBytes limits the size of each store's file and log together. The log takes
// LogBytes of it, at most a quarter; the file has the rest. n of zero or less means no
// limit.
func MaxFileBytes(n int64) Option { return func(o *options) { o.maxFileBytes = n } }

// MaxMemoryBytes limits each in-memory store. It counts encoded values, keys twice (in
// the table and in the index), 72 bytes for every key, what the allocator rounds large
// values up to, and the names of expired keys until they are removed. A write that would
// exceed the limit first removes expired keys. A store that holds at least half of its
// limit starts a garbage collection after each eighth of it that it writes or deletes, so
// that, with Go's default GOGC, the process takes at most one and a half times the limit
// for the store. For the host's other memory see GOMEMLIMIT in package runtime. n of zero
// or less means no limit.
func MaxMemoryBytes(n int64) Option { return func(o *options) { o.maxMemoryBytes = n } }

// LockTimeout limits the wait for a file that another process has open. d of zero or less
// tries once.
func LockTimeout(d time.Duration) Option {
	return func(o *options) { o.lockTimeout = max(d, time.Millisecond) }
}

// SweepInterval is the minimum time between two sweeps for expired keys. It limits how
// long an expired key takes space, not how long it is visible: it is never visible after
// its deadline. d of zero or less sets DefaultSweepInterval.
func SweepInterval(d time.Duration) Option {
	return func(o *options) {
		if d <= 0 {
			d = DefaultSweepInterval
		}
		o.sweepInterval = d
	}
}

// Clock replaces time.Now as the clock for deadlines, for tests. now must be safe for
// concurrent use; nil is time.Now.
func Clock(now func() time.Time) Option { return func(o *options) { o.clock = now } }

func (o *options) now() time.Time {
	if o.clock != nil {
		return o.clock()
	}
	return time.Now()
}

// Logger receives what no caller can be told: failures of background work and of
// background tasks, and damage. It receives warnings and errors only. Without this option
// they go to slog.Default() at the time of the message. A nil l discards them.
func Logger(l *slog.Logger) Option {
	return func(o *options) {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		o.logger = l
	}
}
