package extlibs

import "syscall"

const openNonblock = 0

const errorDiskFull syscall.Errno = 112

func diskFullErrno(errno syscall.Errno) bool { return errno == errorDiskFull }
