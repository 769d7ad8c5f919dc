package boltfile

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	berrors "go.etcd.io/bbolt/errors"
)

// failure is why a file no longer accepts writes, or calls.
type failure struct {
	damaged atomic.Pointer[kverr.Error] // why bbolt cannot go on
	broken  chan struct{}               // closed when damaged is set
	breaks  sync.Once
	refused atomic.Pointer[kverr.Error] // why the file takes no more writes
}

// Refused returns why the file takes no more writes, or nil.
func (f *failure) Refused() error {
	if why := f.refused.Load(); why != nil {
		return why
	}
	return nil
}

// Broken is closed when calls can no longer succeed; Err then says why.
func (f *failure) Broken() <-chan struct{} { return f.broken }

// Err returns the reason why the file can no longer be used, or nil.
func (f *failure) Err() error {
	if d := f.damaged.Load(); d != nil {
		return d
	}
	return nil
}

// Writable is writable for callers that do not use bbolt meanwhile: Compact replaces the file.
func (f *File) Writable() error {
	f.engine.RLock()
	defer f.engine.RUnlock()
	return f.writable()
}

// writable reports why the file takes no writes: permanently, or because its folder could
// not be asked just now, which fails the call at hand alone. The engine is locked,
// shared or alone.
func (f *File) writable() error {
	if why := f.refused.Load(); why != nil {
		return why
	}
	err := f.look()
	if err != nil && !errors.Is(err, kverr.Replaced) && !errors.Is(err, kverr.Closed) {
		return kverr.Errorf(kverr.Unavailable, "nothing was done, because the file's name could not be checked: %w; try again", err)
	}
	return err
}

// InPlace returns nil if the file has its name, an error that is kverr.Replaced if it has not,
// and any other error if that is unknown. It ignores other reasons for which the file cannot
// be written.
func (f *File) InPlace() error {
	f.engine.RLock()
	defer f.engine.RUnlock()
	return f.look()
}

// look is InPlace with the engine locked. A file that lost its name takes no writes
// from then on.
func (f *File) look() error {
	if f.db == nil {
		return kverr.Closed // and so is the folder
	}
	err := f.dir.Holds(f.info)
	if errors.Is(err, kverr.Replaced) {
		f.refuse(kverr.Errorf(kverr.Replaced, "the file was deleted or replaced, so the store accepts no more writes; close the store and open it again").(*kverr.Error))
		if why := f.refused.Load(); why.Kind == kverr.Replaced {
			return why
		}
	}
	return err
}

func (f *File) refuse(why *kverr.Error) {
	if f.refused.CompareAndSwap(nil, why) {
		f.opts.Logger.Error("kv: a file takes no more writes", "path", f.dir.Path(), "error", why.Msg)
	}
}

// FailStop latches why: every later call fails with it and does not reach bbolt. It returns
// why.
func (f *File) FailStop(why *kverr.Error) error {
	f.breaks.Do(func() {
		f.damaged.Store(why)
		close(f.broken)
		if f.late != nil {
			f.late.Broadcast()
		}
		f.opts.Logger.Error("kv: a file can no longer be used", "path", f.dir.Path(), "error", why.Msg)
	})
	return why
}

// guarded turns a panic or memory fault of bbolt, which it answers damage
// with, into an error; later calls do not reach bbolt.
func (f *File) guarded(fn func() error) error {
	if d := f.damaged.Load(); d != nil {
		return d
	}
	err := guard(fn)
	var e *kverr.Error
	if errors.As(err, &e) && e.Kind == errEngine {
		return f.FailStop(&kverr.Error{Kind: kverr.Corrupt, Msg: e.Msg, Cause: e.Cause})
	}
	return err
}

// abandon gives up the file and its lock without bbolt, which would wait
// for its own locks, and a panic may have left one of them locked. The memory
// that maps the file stays: a call that is stuck may still look at it.
func (f *File) abandon() {
	f.damaged.Store(errAbandoned)
	access.Unlock(f.file.Load())
	f.file.Load().Close()
	f.dir.Close()
}

var errAbandoned = kverr.Errorf(kverr.Closed, "%w", kverr.Closed).(*kverr.Error)

// DiskError wraps an error of bbolt in its sentinel error, and adds what to do.
func DiskError(err error) error {
	switch {
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return errLimit
	case errors.Is(err, berrors.ErrInvalidMapping):
		return kverr.Errorf(err, "the file could not be mapped into memory after it grew; close the store and open it again: %w", err)
	case access.IsDiskFull(err):
		return access.DiskError(err)
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return kverr.Closed
	}
	return err
}
