//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package access

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// CanLock reports whether Lock locks files on this system.
const CanLock = true

// Lock locks a file until it is closed or unlocked: the lock that bbolt takes too. It
// reports false if another process kept the lock for longer than timeout, and returns
// the error of ctx if that ended the wait. Several processes can hold a shared lock.
func Lock(ctx context.Context, f *os.File, shared bool, timeout time.Duration) (bool, error) {
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	for end := time.Now().Add(timeout); ; {
		switch err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return false, err
		}
		left := time.Until(end)
		if left <= 0 {
			return false, nil
		}
		select {
		case <-time.After(min(left, LockPause)):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// Unlock releases the lock. Closing the file does not release it while the file is mapped into
// memory.
func Unlock(f *os.File) { syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
