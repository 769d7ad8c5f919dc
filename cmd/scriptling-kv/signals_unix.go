//go:build unix

package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// endingSignals returns the signals that end a command in order. One that the parent
// process has told it to ignore, as nohup does with SIGHUP, stays ignored.
func endingSignals() []os.Signal {
	return slices.DeleteFunc([]os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGXCPU,
		syscall.SIGALRM, syscall.SIGVTALRM, syscall.SIGUSR1, syscall.SIGUSR2,
	}, signal.Ignored)
}
