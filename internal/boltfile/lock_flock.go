//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package boltfile

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// lockFirst is whether lock locks the file before the engine does.
const lockFirst = true

// lock takes the lock that the engine takes, which then has it already, and
// reports false if another process did not give it up in time. The error is that of
// ctx where it ended the wait. So what is looked
// at before the engine opens the file is what the engine finds.
func lock(ctx context.Context, f *os.File, shared bool, timeout time.Duration) (bool, error) {
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
		case <-time.After(min(left, lockPause)):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// unlock gives up the engine's lock, which closing the file does not while
// memory maps it.
func unlock(f *os.File) { syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
