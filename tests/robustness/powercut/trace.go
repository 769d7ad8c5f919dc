//go:build linux && amd64

package powercut

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// The system calls that change files and names, or make them durable.
var traced = []uintptr{
	syscall.SYS_WRITE, syscall.SYS_PWRITE64, syscall.SYS_WRITEV, syscall.SYS_PWRITEV, sysPwritev2,
	syscall.SYS_FTRUNCATE, syscall.SYS_TRUNCATE, syscall.SYS_FALLOCATE,
	syscall.SYS_FSYNC, syscall.SYS_FDATASYNC, syscall.SYS_SYNC_FILE_RANGE, syscall.SYS_SYNC, sysSyncfs, syscall.SYS_MSYNC,
	syscall.SYS_OPEN, syscall.SYS_OPENAT, sysOpenat2, syscall.SYS_CREAT,
	syscall.SYS_RENAME, syscall.SYS_RENAMEAT, sysRenameat2, syscall.SYS_LINK, syscall.SYS_LINKAT,
	syscall.SYS_UNLINK, syscall.SYS_UNLINKAT, syscall.SYS_SYMLINK, syscall.SYS_SYMLINKAT,
	syscall.SYS_MKDIR, syscall.SYS_MKDIRAT, syscall.SYS_RMDIR,
	syscall.SYS_SENDFILE, sysCopyFileRange, syscall.SYS_SPLICE,
	syscall.SYS_NEWFSTATAT,
	syscall.SYS_FCHMOD, syscall.SYS_FCHOWN, syscall.SYS_CHMOD, syscall.SYS_CHOWN, syscall.SYS_LCHOWN, syscall.SYS_FCHMODAT, syscall.SYS_FCHOWNAT, sysFchmodat2,
}

// Numbers that package syscall lacks.
const (
	sysSyncfs        = 306
	sysSeccomp       = 317
	sysRenameat2     = 316
	sysCopyFileRange = 326
	sysPwritev2      = 328
	sysOpenat2       = 437
	sysFchmodat2     = 452

	optionSysGood   = 0x1
	optionSeccomp   = 0x80
	optionExitKill  = 0x100000
	eventSeccomp    = 7
	waitOwnChildren = 0x20000000 | syscall.WALL // of this thread, and their threads

	noCall = ^uint64(0)
)

// noteFile is a file descriptor that no process has open: what a traced process
// writes to it is a note.
const noteFile = 987654

// Tell makes a note. The process has to be traced.
func Tell(text string) {
	if n, err := syscall.Write(noteFile, []byte(text)); n != len(text) || err != nil {
		panic(fmt.Sprintf("powercut.Tell: %v; is the process traced?", err))
	}
}

// Enter is the first thing that a program does that a Recorder runs: from then
// on its calls are recorded. Without it, each call that has nothing to do with
// files would stop the process as well.
func Enter() {
	type instruction struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}
	const load, equal, ret, allow, trace = 0x20, 0x15, 0x06, 0x7fff0000, 0x7ff00000
	program := []instruction{{code: load}} // the number of the call
	for i, n := range traced {
		program = append(program, instruction{equal, uint8(len(traced) - i), 0, uint32(n)})
	}
	program = append(program, instruction{code: ret, k: allow}, instruction{code: ret, k: trace})
	filter := struct {
		n       uint16
		program *instruction
	}{uint16(len(program)), &program[0]}
	const prSetNoNewPrivs, setModeFilter, allThreads = 38, 1, 1
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0); errno != 0 {
		panic(errno)
	}
	if _, _, errno := syscall.RawSyscall(sysSeccomp, setModeFilter, allThreads, uintptr(unsafe.Pointer(&filter))); errno != 0 {
		panic(errno)
	}
}

// tracer follows a process and its threads from one call to the next.
type tracer struct {
	pid     int
	mounts  bool                                    // the process has a table of mounts for itself
	entered func(*stopped) (follow bool, err error) // before a call; follow: left is to be told
	left    func(*stopped) error                    // after it
	known   map[int]*stopped                        // by thread
	exit    syscall.WaitStatus
}

// stopped is a thread in a system call.
type stopped struct {
	thread int
	regs   syscall.PtraceRegs
	killed bool
}

func (s *stopped) number() uint64 { return s.regs.Orig_rax }
func (s *stopped) result() int64  { return int64(s.regs.Rax) }
func (s *stopped) arg(i int) uint64 {
	return [...]uint64{s.regs.Rdi, s.regs.Rsi, s.regs.Rdx, s.regs.R10, s.regs.R8, s.regs.R9}[i]
}

// skip has the call not happen and return result.
func (s *stopped) skip(result int64) error {
	s.regs.Orig_rax, s.regs.Rax = noCall, uint64(result)
	return syscall.PtraceSetRegs(s.thread, &s.regs)
}

// run runs a program to its end. The calling goroutine must not be used for
// anything else, because its thread is the tracer.
func (t *tracer) run(argv, env []string) error {
	runtime.LockOSThread()
	sys := &syscall.SysProcAttr{Ptrace: true}
	if t.mounts {
		sys.Unshareflags = syscall.CLONE_NEWNS
	}
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Env: env, Files: []uintptr{0, 2, 2}, Sys: sys})
	if err != nil {
		return err
	}
	t.pid, t.known = pid, map[int]*stopped{}
	var status syscall.WaitStatus
	if _, err := wait(pid, &status); err != nil {
		return err
	}
	const options = optionSysGood | optionSeccomp | optionExitKill |
		syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACEFORK | syscall.PTRACE_O_TRACEVFORK
	if err := syscall.PtraceSetOptions(pid, options); err != nil {
		return err
	}
	t.known[pid] = &stopped{thread: pid}
	if err := syscall.PtraceCont(pid, 0); err != nil {
		return err
	}
	var failed error
	for {
		thread, err := wait(-1, &status)
		switch {
		case errors.Is(err, syscall.ECHILD):
			return failed
		case err != nil:
			return err
		case !status.Stopped():
			if thread == pid {
				t.exit = status
			}
			delete(t.known, thread)
			continue
		}
		if err := t.resume(thread, status); err != nil && !errors.Is(err, syscall.ESRCH) && failed == nil {
			failed = err
			t.kill()
		}
	}
}

func (t *tracer) kill() { syscall.Kill(t.pid, syscall.SIGKILL) }

func wait(pid int, status *syscall.WaitStatus) (int, error) {
	for {
		thread, err := syscall.Wait4(pid, status, waitOwnChildren, nil)
		if err != syscall.EINTR {
			return thread, err
		}
	}
}

// resume does what a stop of a thread calls for, and lets it run on.
func (t *tracer) resume(thread int, status syscall.WaitStatus) error {
	s := t.known[thread]
	signal := status.StopSignal()
	switch {
	case s == nil: // a new thread
		t.known[thread] = &stopped{thread: thread}
		signal = 0
	case signal == syscall.SIGTRAP && int(uint32(status)>>16) == eventSeccomp:
		if err := syscall.PtraceGetRegs(thread, &s.regs); err != nil {
			return err
		}
		follow, err := t.entered(s)
		if err != nil {
			return err
		}
		if s.killed {
			return nil
		}
		if follow {
			return syscall.PtraceSyscall(thread, 0)
		}
		signal = 0
	case signal == syscall.SIGTRAP|0x80:
		if err := syscall.PtraceGetRegs(thread, &s.regs); err != nil {
			return err
		}
		if err := t.left(s); err != nil {
			return err
		}
		signal = 0
	case signal == syscall.SIGTRAP:
		signal = 0
	}
	return syscall.PtraceCont(thread, int(signal))
}

// memory reads the process's memory.
func (t *tracer) memory(at, n uint64) ([]byte, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", t.pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	got, err := f.ReadAt(b, int64(at))
	if got == len(b) {
		err = nil
	}
	return b[:got], err
}

// text reads a string that ends with a NUL byte.
func (t *tracer) text(at uint64) (string, error) {
	var s []byte
	for len(s) < pageBytes {
		b, err := t.memory(at, 64-at%64) // never beyond the page
		if err != nil {
			return "", err
		}
		for _, c := range b {
			if c == 0 {
				return string(s), nil
			}
			s = append(s, c)
		}
		at += uint64(len(b))
	}
	return "", syscall.ENAMETOOLONG
}
