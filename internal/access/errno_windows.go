package access

import (
	"strings"
	"syscall"
)

const openNonblock = 0

const errorDiskFull syscall.Errno = 112

func diskFullErrno(errno syscall.Errno) bool { return errno == errorDiskFull }

func diskFullText(text string) bool { return strings.Contains(text, errorDiskFull.Error()) }
