//go:build !linux

package livecopy

import (
	"errors"
	"os"
)

func reflink(to, from *os.File) error { return errors.ErrUnsupported }
