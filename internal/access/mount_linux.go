package access

import (
	"bytes"
	"fmt"
	"os"
)

// onOtherMounts reports whether two open files are on different mounts. Two mounts can
// be of one device, and the files of one overlay of several devices; so the device
// decides only where the system does not tell the mounts.
func onOtherMounts(f, dir *os.File) bool {
	a, b := mountOf(f), mountOf(dir)
	if a == nil || b == nil {
		return onOtherDevices(f, dir)
	}
	return !bytes.Equal(a, b)
}

// mountOf returns the number of the mount that a file was opened in, nil if the system
// does not tell.
func mountOf(f *os.File) []byte {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", f.Fd()))
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(info) {
		if id, ok := bytes.CutPrefix(line, []byte("mnt_id:")); ok {
			return bytes.TrimSpace(id)
		}
	}
	return nil
}
