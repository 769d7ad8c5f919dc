//go:build unix

package access

import (
	"os"
	"syscall"
)

// onOtherDevices reports whether two open files are on different devices.
func onOtherDevices(f, dir *os.File) bool {
	a, errA := f.Stat()
	b, errB := dir.Stat()
	if errA != nil || errB != nil {
		return false
	}
	s, okA := a.Sys().(*syscall.Stat_t)
	t, okB := b.Sys().(*syscall.Stat_t)
	return okA && okB && s.Dev != t.Dev
}
