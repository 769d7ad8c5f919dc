//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package access

import (
	"context"
	"os"
	"time"
)

// CanLock is false: here a process cannot take bbolt's lock before bbolt does, and
// nothing tells a temporary file of a crashed process from one in use, so that such files
// stay until a user removes them.
const CanLock = false

// Lock does nothing and reports success.
func Lock(context.Context, *os.File, bool, time.Duration) (bool, error) { return true, nil }

// Unlock does nothing: closing the file gives up bbolt's lock.
func Unlock(*os.File) {}
