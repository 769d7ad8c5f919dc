//go:build !unix

package main

import (
	"os"
	"syscall"
)

// endingSignals returns the signals that end a command in order.
func endingSignals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }
