//go:build unix

package kvtest

import (
	"syscall"
	"time"
)

// CPUTime returns the processor time that this process has used. Differences of it do not
// include the time of other processes, as those of time.Now do on a busy machine.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
