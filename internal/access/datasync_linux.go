package access

import (
	"os"
	"syscall"
)

// datasync makes the data of a file durable, and of its description what it takes
// to find the data: not when it was written last, which would be a write more.
func datasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
