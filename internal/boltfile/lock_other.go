//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package boltfile

import (
	"context"
	"os"
	"time"
)

// lockFirst is whether lock locks the file before the engine does.
const lockFirst = false

// lock does nothing where a process can't take the engine's lock for it. The
// file is looked at again when the engine has it.
func lock(context.Context, *os.File, bool, time.Duration) (bool, error) { return true, nil }

// unlock does nothing where closing the file gives up the engine's lock.
func unlock(*os.File) {}
