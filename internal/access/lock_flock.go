//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package access

import (
	"errors"
	"os"
	"syscall"
)

// CanLock is whether TryLock means something.
const CanLock = true

// TryLock locks a file until it is closed, unless another has locked it.
func TryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
