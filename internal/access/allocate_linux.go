package access

import (
	"os"
	"syscall"
)

// allocate gives a file blocks for the bytes between from, its end, and to. It reports
// whether it wrote zeros to them.
func allocate(f *os.File, from, to int64) (written bool, err error) {
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, from, to-from)
		switch err {
		case syscall.EINTR:
			continue
		case nil:
			return false, nil
		case syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EINVAL:
			return writeZeros(f, from, to)
		}
		return false, os.NewSyscallError("fallocate", err)
	}
}
