//go:build linux && amd64

package robustness

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/tests/robustness/powercut"
)

// Interval mode is tested with this interval, and allowed to be late by what a
// busy machine may add.
const (
	intervalOfTests = 40 * time.Millisecond
	intervalLate    = 160 * time.Millisecond
)

func run(program string, args ...string) process { return process{program: program, args: args} }

// created is what makes the file, where that is not of interest.
var created = run("set", "1", "1")

func again(program string, args ...string) *process {
	return &process{program: program, args: args}
}

func always(p ...process) func(*rand.Rand) []process {
	return func(*rand.Rand) []process { return p }
}

// killed ends a process before one of its first calls.
func killed(random *rand.Rand, p process, calls int) process {
	at := 1 + random.IntN(calls)
	p.kill = func(c powercut.Call) bool { return c.Number >= at }
	return p
}

// killedAt ends a process before one of its first calls of some kind.
func killedAt(random *rand.Rand, p process, op string, calls int) process {
	at, n := 1+random.IntN(calls), 0
	p.kill = func(c powercut.Call) bool {
		if c.Op == op {
			n++
		}
		return n >= at
	}
	return p
}

// failing makes one of the first calls of some kind fail.
func failing(random *rand.Rand, p process, op string, calls int) process {
	at, n := 1+random.IntN(calls), 0
	p.fail = func(c powercut.Call) syscall.Errno {
		if c.Op == op {
			if n++; n == at {
				return syscall.EIO
			}
		}
		return 0
	}
	return p
}

// lookingFails makes some of the first looks at names fail.
func lookingFails(random *rand.Rand, p process, looks int) process {
	from, n := 1+random.IntN(looks), 0
	to := from + random.IntN(4)
	errnos := []syscall.Errno{syscall.EACCES, syscall.EIO, syscall.ESTALE}
	p.fail = func(c powercut.Call) syscall.Errno {
		if c.Op == "look" {
			if n++; n >= from && n <= to {
				return errnos[n%len(errnos)]
			}
		}
		return 0
	}
	return p
}

// withoutLog lets a process make no log.
func withoutLog(p process) process {
	p.fail = func(c powercut.Call) syscall.Errno {
		if c.Op == "open" && strings.HasSuffix(c.Name, "-log") {
			return syscall.EACCES
		}
		return 0
	}
	return p
}

var workloads = map[string]workload{
	"sets by one writer":    {uncut: 1, processes: always(created, run("set", "1", "24")), again: again("set", "1", "4")},
	"sets by eight writers": {uncut: 1, processes: always(created, run("set", "8", "6")), again: again("mixed", "8", "2")},
	"batches":               {uncut: 1, processes: always(created, run("set many", "2", "12")), again: again("mixed", "2", "6")},
	"clear":                 {uncut: 1, processes: always(created, run("clear")), again: again("clear")},
	"transfers":             {uncut: 1, read: "bank", processes: always(created, run("transfers", "3", "6")), again: again("transfers", "2", "3")},
	"killed in transfers": {uncut: 1, read: "bank", processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("transfers", "3", "6"), 60), run("transfers", "2", "3")}
	}},
	"jobs that workers take": {uncut: 1, processes: always(run("add jobs"), run("take jobs", "3", "5")), again: again("take jobs", "2", "2")},
	"killed with workers that take jobs": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{run("add jobs"), killed(random, run("take jobs", "3", "5"), 60), run("take jobs", "2", "2")}
	}},
	"expiry":        {uncut: 1, processes: always(created, run("expiry")), again: again("expiry")},
	"interval mode": {uncut: 1, mayLose: intervalOfTests + intervalLate, processes: always(created, run("interval")), again: again("set", "1", "6")},
	"compact":       {uncut: 1, processes: always(run("mixed", "2", "6"), run("compact")), again: again("compact")},
	"backup":        {uncut: 1, processes: always(run("mixed", "2", "6"), run("backup")), again: again("set", "2", "4")},
	"opened again":  {uncut: 1, processes: always(run("mixed", "2", "6"), run("mixed", "2", "6"), run("set", "2", "6"))},
	"a failed write": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{run("mixed", "1", "6"), failing(random, run("retry"), "write", 30)}
	}},
	"processes that set one key": {uncut: 1, processes: always(created, run("set", "1", "1"), run("set", "1", "1"), run("set", "1", "2"), run("set", "1", "1")), again: again("set", "1", "1")},
	"killed while they set one key": {uncut: 1, processes: func(random *rand.Rand) []process {
		one := run("set", "1", "1")
		return []process{created, killed(random, one, 24), killed(random, one, 24), killedAt(random, one, "sync", 4), one}
	}},
	"creation": {processes: always(run("set", "1", "2")), again: again("set", "1", "4")},
	"killed while it is created": {processes: func(random *rand.Rand) []process {
		return []process{killed(random, run("set", "1", "2"), 24), run("set", "1", "3")}
	}},
	"killed, opened again": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("mixed", "2", "8"), 60), killed(random, run("mixed", "2", "8"), 60), run("mixed", "2", "8")}
	}},
	"killed at a sync, opened again": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killedAt(random, run("mixed", "2", "8"), "sync", 12), run("mixed", "2", "4")}
	}},
	"killed in compact": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{run("mixed", "2", "6"), killed(random, run("compact"), 120), run("mixed", "2", "4")}
	}},
	"checkpoints":          {uncut: 1, processes: always(created, run("set many", "8", "12")), again: again("set many", "8", "6")},
	"checkpoints in parts": {uncut: 1, processes: always(created, run("set many", "8", "12", "checkpoints in parts")), again: again("set many", "8", "6", "checkpoints in parts")},
	"killed in checkpoints in parts": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("set many", "8", "12", "checkpoints in parts"), 300), run("set many", "2", "4", "checkpoints in parts")}
	}},
	"killed in a replay in parts": {uncut: 1, processes: func(random *rand.Rand) []process {
		parts := []string{"2", "3", "checkpoints in parts", "replay in parts"}
		return []process{created, killed(random, run("set many", "8", "12"), 200), killed(random, run("mixed", parts...), 120), run("mixed", parts...)}
	}},
	"calls that are planned apart":     {uncut: 1, processes: always(created, run("set many", "8", "12", "apart", "checkpoints in parts")), again: again("mixed", "8", "6", "apart")},
	"transfers that are planned apart": {uncut: 1, read: "bank", processes: always(created, run("transfers", "3", "12", "apart")), again: again("transfers", "2", "6", "apart")},
	"killed with calls that are planned apart": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("mixed", "8", "12", "apart", "checkpoints in parts"), 300), run("mixed", "4", "4", "apart")}
	}},
	"a log that grows": {uncut: 1, processes: always(created, run("set many", "8", "16", "a large file")), again: again("set many", "8", "6", "a large file")},
	"killed while the log grows": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("set many", "8", "16", "a large file"), 400), run("set many", "8", "8", "a large file"), run("mixed", "2", "4")}
	}},
	"segments":                     {uncut: 1, processes: always(created, run("set many", "3", "8", "segments")), again: again("mixed", "3", "4", "segments")},
	"segments, in parts":           {uncut: 1, processes: always(created, run("set many", "3", "8", "segments", "checkpoints in parts")), again: again("mixed", "3", "4", "segments", "replay in parts")},
	"segments and clears":          {uncut: 1, processes: always(created, run("clear", "segments")), again: again("clear", "segments")},
	"segments and compact":         {uncut: 1, processes: always(run("mixed", "2", "6"), run("compact", "segments")), again: again("compact", "segments")},
	"segments while the log grows": {uncut: 1, processes: always(created, run("set many", "3", "16", "segments", "a large file")), again: again("mixed", "3", "4", "segments")},
	"transfers with segments":      {uncut: 1, read: "bank", processes: always(created, run("transfers", "3", "8", "segments")), again: again("transfers", "2", "6", "segments")},
	"segments in interval mode":    {uncut: 1, mayLose: intervalOfTests + intervalLate, processes: always(created, run("interval", "segments")), again: again("interval", "segments")},
	"killed with segments": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("mixed", "3", "12", "segments"), 300), killed(random, run("mixed", "3", "8", "segments", "replay in parts"), 200), run("mixed", "3", "3", "segments")}
	}},
	"killed with segments, and read": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("set many", "3", "12", "segments"), 300), run("read", "3"), run("mixed", "3", "4")}
	}},
	"segments whose writes fail": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{run("mixed", "1", "6"), failing(random, run("retry", "segments"), "write", 60)}
	}},
	"segments whose syncs fail": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{run("mixed", "1", "6"), failing(random, run("retry", "segments"), "sync", 40)}
	}},
	"segments whose space fails": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{run("mixed", "1", "6"), failing(random, run("retry", "segments"), "truncate", 16)}
	}},
	"a large log":                                       {uncut: 1, processes: always(created, run("large log")), again: again("large log")},
	"a full file":                                       {uncut: 1, processes: always(created, run("full")), again: again("read", "1")},
	"a full file of small values":                       {uncut: 1, processes: always(created, run("full small")), again: again("read", "1")},
	"batches of removals in a full file":                {uncut: 1, processes: always(created, run("full batches")), again: again("read", "1")},
	"batches of removals in a full file, without a log": {uncut: 1, processes: always(created, withoutLog(run("full batches"))), again: again("read", "1")},
	"killed in batches of removals in a full file": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("full batches"), 600), killed(random, run("full batches"), 600), run("read", "1")}
	}},
	"a full file of long keys": {uncut: 1, processes: always(created, run("full long keys")), again: again("read", "1")},
	"killed in a full file of long keys": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("full long keys"), 600), killed(random, run("full long keys"), 300), run("read", "1")}
	}},
	"a full file of long keys, without a log": {uncut: 1, processes: always(created, withoutLog(run("full long keys"))), again: again("read", "1")},
	"killed in a full file of small values": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("full small"), 600), killed(random, run("full small"), 300), run("read", "1")}
	}},
	"backups of a full file": {uncut: 1, processes: always(created, run("full backups")), again: again("set", "1", "3")},
	"no log":                 {uncut: 1, processes: always(created, withoutLog(run("mixed", "2", "10"))), again: again("mixed", "2", "3")},
	"no log again":           {uncut: 1, processes: always(created, withoutLog(run("mixed", "1", "6")), withoutLog(run("mixed", "2", "6")), run("mixed", "1", "4"))},
	"from format 1":          {uncut: 2, processes: always(run("mixed", "2", "6"), run("format 1"), run("mixed", "2", "6")), again: again("mixed", "2", "3")},
	"read-only":              {uncut: 1, processes: always(created, run("read", "1"), run("mixed", "2", "3"), run("read", "2")), again: again("read", "2")},
	"killed and read": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("mixed", "2", "8"), 80), run("read", "2"), run("mixed", "2", "4")}
	}},
	"killed in interval mode": {uncut: 1, mayLose: intervalOfTests + intervalLate, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("interval"), 200), killed(random, run("interval"), 200), run("interval")}
	}},
	"killed in a full file": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("full"), 400), run("read", "1")}
	}},
	"a failed sync": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{run("mixed", "1", "6"), failing(random, run("retry"), "sync", 12)}
	}},
	"looks that fail": {uncut: 1, processes: func(random *rand.Rand) []process {
		return []process{created, lookingFails(random, run("passing errors"), 120), run("mixed", "1", "4")}
	}, again: again("passing errors")},
	"a file that is moved and comes back": {uncut: 1, read: "moved", processes: always(created, run("moved"), run("set", "1", "3"))},
	"a file that another store replaces": {uncut: 1, read: "moved", processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("mixed", "1", "8"), 60), run("stand-in"), run("set", "1", "3")}
	}},
	"a file that is mounted by itself": {uncut: 1, mounts: true, processes: always(created, mounted("mounted", "always")), again: againMounted("mounted", "always")},
	"a file that is mounted by itself, in interval mode": {uncut: 1, mounts: true, mayLose: intervalOfTests + intervalLate, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, mounted("mounted", "interval"), 200), mounted("mounted", "interval")}
	}},
	"killed with a log, and mounted by itself": {uncut: 1, mounts: true, processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("mixed", "1", "30"), 80), killed(random, mounted("mounted", "always"), 120), mounted("mounted", "always")}
	}},
	"the owner and the mode of the store": {uncut: 2, read: "owned", processes: always(created, run("give away", "kv.db"), run("owned"), run("owned")), again: again("owned")},
	"an owner and a mode, and a kill": {uncut: 2, read: "owned", processes: func(random *rand.Rand) []process {
		return []process{created, run("give away", "kv.db"), killed(random, run("owned"), 200), run("owned")}
	}, again: again("owned")},
	"a store and its log that get another owner and mode": {uncut: 3, read: "owned", processes: func(random *rand.Rand) []process {
		return []process{created, killed(random, run("mixed", "1", "30"), 80), run("give away", "kv.db"), killed(random, run("owned"), 200), run("owned")}
	}},
	"a failed sync of the folder": {processes: func(random *rand.Rand) []process {
		return []process{failing(random, run("retry"), "syncdir", 2)}
	}},
}

func TestWhatWasAcknowledgedIsThereAfterAPowerCut(t *testing.T) {
	for _, name := range kvtest.SampleNames(t, workloads, len(workloads)/4) {
		t.Run(name, func(t *testing.T) {
			w := workloads[name]
			if w.mounts && !mayMount() {
				t.Skip("this process may not mount")
			}
			x := w.cut(t, statesOfTest(kvtest.Sized(8800, 8000, 110_000))/len(workloads))
			for i, wrong := range x.wrong {
				if i == maxKept {
					break
				}
				t.Error(wrong)
			}
			if n := len(x.wrong); n > 0 {
				t.Errorf("%d of %d states are wrong", n, x.states)
			}
		})
	}
}
