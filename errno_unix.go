//go:build unix

package extlibs

import "syscall"

// openNonblock keeps the opening of a FIFO or device from waiting.
const openNonblock = syscall.O_NONBLOCK

func diskFullErrno(errno syscall.Errno) bool {
	return errno == syscall.ENOSPC || errno == syscall.EDQUOT || errno == syscall.EFBIG
}
