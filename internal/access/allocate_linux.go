package access

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// allocate gives a file blocks for the bytes between from, its end, and to. It reports
// whether it wrote zeros to them.
func allocate(f *os.File, from, to int64) (written bool, err error) {
	if err := fallocate(f, from, to); err != errNoFallocate {
		return false, err
	}
	return writeZeros(f, from, to)
}

// reserveBlocks is allocate where blocks cost no writes; elsewhere it does nothing.
func reserveBlocks(f *os.File, from, to int64) error {
	if err := fallocate(f, from, to); err != errNoFallocate {
		return err
	}
	return nil
}

var errNoFallocate = errors.New("the file system cannot allocate")

// fallocate fails with fs.ErrClosed if another goroutine has closed the file.
func fallocate(f *os.File, from, to int64) (err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return &fs.PathError{Op: "fallocate", Path: f.Name(), Err: fs.ErrClosed}
	}
	// Until the function ends, the number of the descriptor belongs to no other file.
	closed := raw.Control(func(fd uintptr) {
		for err = syscall.EINTR; err == syscall.EINTR; {
			err = syscall.Fallocate(int(fd), 0, from, to-from)
		}
	})
	switch {
	case closed != nil:
		return &fs.PathError{Op: "fallocate", Path: f.Name(), Err: fs.ErrClosed}
	case err == syscall.EOPNOTSUPP, err == syscall.ENOSYS, err == syscall.EINVAL:
		return errNoFallocate
	}
	return os.NewSyscallError("fallocate", err)
}
