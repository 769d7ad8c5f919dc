package main

import (
	"os"
	"syscall"
	"time"
)

func fdatasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// processorTime is what this process has used so far.
func processorTime() time.Duration { return usage(syscall.RUSAGE_SELF) }

// threadTime is processorTime of the thread that calls it.
func threadTime() time.Duration {
	const thisThread = 1 // RUSAGE_THREAD
	return usage(thisThread)
}

func usage(who int) time.Duration {
	var u syscall.Rusage
	must(syscall.Getrusage(who, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// writtenBy is how many bytes a process that has ended has written to disks.
func writtenBy(p *os.ProcessState) int64 {
	const block = 512
	return p.SysUsage().(*syscall.Rusage).Oublock * block
}
