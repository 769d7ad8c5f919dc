//go:build unix && !solaris && !aix

package boltfile

import (
	"os"
	"syscall"
)

// canMap reports whether the process can map n bytes of a file.
func canMap(f *os.File, n int64) bool {
	b, err := syscall.Mmap(int(f.Fd()), 0, int(n), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return false
	}
	return syscall.Munmap(b) == nil
}
