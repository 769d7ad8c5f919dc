//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package boltfile

import "os"

// unlock does nothing where closing the file gives up the engine's lock.
func unlock(*os.File) {}
