package access

import (
	"os"
	"syscall"
)

// datasync makes the data of a file durable, and the metadata needed to find the
// data; not the time of the last write, which would cost one more write.
func datasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
