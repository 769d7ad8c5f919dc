//go:build !unix || solaris || aix

package boltfile

import "os"

// canMap reports whether the process can map n bytes of a file.
func canMap(*os.File, int64) bool { return false }
