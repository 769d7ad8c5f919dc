//go:build !linux

package access

import "os"

func onOtherMounts(f, dir *os.File) bool { return onOtherDevices(f, dir) }
