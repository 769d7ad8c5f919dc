//go:build unix

package access

import (
	"strings"
	"syscall"
)

// openNonblock keeps the opening of a FIFO or device from waiting.
const openNonblock = syscall.O_NONBLOCK

func diskFullErrno(errno syscall.Errno) bool {
	return errno == syscall.ENOSPC || errno == syscall.EDQUOT || errno == syscall.EFBIG
}

func diskFullText(text string) bool {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if strings.Contains(text, errno.Error()) {
			return true
		}
	}
	return false
}
