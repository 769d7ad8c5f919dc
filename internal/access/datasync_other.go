//go:build !linux

package access

import "os"

func datasync(f *os.File) error { return f.Sync() }
