package main

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func fdatasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// processorTime is what this process has used so far.
func processorTime() time.Duration { return clock(unix.CLOCK_PROCESS_CPUTIME_ID) }

// threadTime is processorTime of the thread that calls it.
func threadTime() time.Duration { return clock(unix.CLOCK_THREAD_CPUTIME_ID) }

// clock is exact, other than getrusage, which can count in ticks of some milliseconds.
func clock(id int32) time.Duration {
	var t unix.Timespec
	must(unix.ClockGettime(id, &t))
	return time.Duration(t.Nano())
}

// writtenBy is how many bytes a process that has ended has written to disks.
func writtenBy(p *os.ProcessState) int64 {
	const block = 512
	return p.SysUsage().(*syscall.Rusage).Oublock * block
}
