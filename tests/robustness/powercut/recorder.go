//go:build linux && amd64

package powercut

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Call is a system call on the folder or a file in it, before it is made.
type Call struct {
	Number int    // of the calls of this process that change something, from 1; 0: it is a look
	Op     string // "open", "opendir", "write", "truncate", "sync", "syncdir", "link", "rename", "unlink", "own" or "look"
	Name   string // of the file; of the new name where there are two
}

// Recorder records what programs do to a folder.
type Recorder struct {
	// Fail makes a call fail with the error that it returns, if it is not 0.
	Fail func(Call) syscall.Errno
	// Kill has the process killed before a call. It comes a call or two later
	// if another thread is in the middle of a write.
	Kill func(Call) bool
	// Mounts has the process see mounts that it makes alone. It takes the rights of root.
	Mounts bool

	Events []Event

	folder
	calls    int           // of the process that runs
	inFlight map[int]*call // by thread
	killed   bool
	tracer   *tracer
}

// folder is what a Recorder knows of the folder.
type folder struct {
	dir    string
	disk   *Disk
	names  map[string]int
	inodes map[uint64]int
	files  int // that were ever created
}

// NewRecorder returns a recorder of a folder. The existing content counts as durable.
func NewRecorder(dir string) (*Recorder, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	r := &Recorder{folder: folder{dir: dir, disk: NewDisk(), names: map[string]int{}, inodes: map[uint64]int{}}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		n := r.create(e.Name(), filepath.Join(dir, e.Name()))
		image := NewImage(content)
		for at, p := range image.pages {
			r.record(Event{Kind: Write, File: n, Offset: at * pageBytes, Data: p[:]})
		}
		r.record(Event{Kind: Truncate, File: n, Offset: image.size})
		r.record(Event{Kind: Sync, File: n, Begin: len(r.Events)})
	}
	if len(entries) > 0 {
		r.record(Event{Kind: SyncDir, Begin: len(r.Events)})
	}
	return r, nil
}

func (r *Recorder) record(e Event) {
	e.At = time.Now().UnixNano()
	r.Events = append(r.Events, e)
	r.disk.Play(&e)
}

// create records a new file, which is found by a path.
func (r *Recorder) create(name, path string) int {
	n := r.files
	r.files++
	r.names[name], r.inodes[inode(path)] = n, n
	r.record(Event{Kind: Name, File: n, Names: map[string]int{name: n}, Attrs: attrsOf(path)})
	return n
}

func attrsOf(path string) *Attrs {
	var info syscall.Stat_t
	syscall.Stat(path, &info) // if it fails, compare finds the difference
	return &Attrs{Mode: info.Mode & 0o7777, UID: info.Uid, GID: info.Gid}
}

func inode(path string) uint64 {
	var info syscall.Stat_t
	if syscall.Stat(path, &info) != nil {
		return 0
	}
	return info.Ino
}

// Run runs a program to its end, or until Kill ends it, and then compares the
// folder with the record. The program's standard output goes to the standard
// error of this process.
func (r *Recorder) Run(argv, env []string) (killed bool, err error) {
	done := make(chan error)
	go func() { // its thread is the tracer, and ends with it
		r.calls, r.killed, r.inFlight = 0, false, map[int]*call{}
		r.tracer = &tracer{mounts: r.Mounts, entered: r.entered, left: r.left}
		done <- r.tracer.run(argv, append(env, "GODEBUG=asyncpreemptoff=1"))
	}()
	if err := <-done; err != nil {
		return false, err
	}
	if r.killed {
		r.record(Event{Kind: Killed})
	} else if s := r.tracer.exit; !s.Exited() || s.ExitStatus() != 0 {
		return false, fmt.Errorf("the program ended with status %d, signal %v", s.ExitStatus(), s.Signal())
	}
	return r.killed, r.compare()
}

// compare makes sure that the record holds all that happened.
func (r *Recorder) compare() error {
	want := r.disk.Folder()
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		got, err := os.ReadFile(filepath.Join(r.dir, e.Name()))
		if err != nil {
			return err
		}
		switch w := want[e.Name()]; {
		case w == nil:
			return fmt.Errorf("the record is not complete: it has no file %s", e.Name())
		case !w.Equal(NewImage(got)):
			return fmt.Errorf("the record is not complete: file %s has %d bytes, by the record %d", e.Name(), len(got), w.size)
		case w.Attrs != *attrsOf(filepath.Join(r.dir, e.Name())):
			return fmt.Errorf("the record is not complete: file %s has another owner or mode than %v", e.Name(), w.Attrs)
		}
	}
	if len(entries) != len(want) {
		return fmt.Errorf("the record is not complete: the folder has %d files, by the record %q", len(entries), slices.Sorted(maps.Keys(want)))
	}
	return nil
}

func (r *Recorder) entered(s *stopped) (follow bool, err error) {
	if s.number() == syscall.SYS_WRITE && s.arg(0) == noteFile {
		text, err := r.tracer.memory(s.arg(1), s.arg(2))
		if err != nil {
			return false, err
		}
		r.record(Event{Kind: Note, Text: string(text)})
		return false, s.skip(int64(len(text)))
	}
	c, err := r.decode(s)
	if c == nil || err != nil {
		return false, err
	}
	if c.Op == "look" { // it changes nothing
		if r.Fail != nil {
			if errno := r.Fail(c.Call); errno != 0 {
				return false, s.skip(-int64(errno))
			}
		}
		return false, nil
	}
	r.calls++
	c.Number, c.begin = r.calls, len(r.Events)
	if r.killed = r.killed || r.Kill != nil && r.Kill(c.Call); r.killed && r.quiet() {
		s.killed = true
		r.tracer.kill()
		return false, nil
	}
	if r.Fail != nil {
		if errno := r.Fail(c.Call); errno != 0 {
			switch c.Op {
			case "sync":
				r.record(Event{Kind: SyncFailed, File: c.file, Begin: c.begin})
			case "syncdir":
				r.record(Event{Kind: SyncDirFailed})
			}
			return false, s.skip(-int64(errno))
		}
	}
	r.inFlight[s.thread] = c
	return true, nil
}

// quiet is whether no other call is on its way that changes something.
func (r *Recorder) quiet() bool {
	for _, c := range r.inFlight {
		if c.Op != "sync" && c.Op != "syncdir" {
			return false
		}
	}
	return true
}

// left records a call that was made.
func (r *Recorder) left(s *stopped) (err error) {
	c := r.inFlight[s.thread]
	delete(r.inFlight, s.thread)
	result := s.result()
	if result < 0 {
		if c.Op == "sync" {
			r.record(Event{Kind: SyncFailed, File: c.file, Begin: c.begin})
		}
		return nil
	}
	switch c.Op {
	case "write":
		if c.copied {
			if c.data, err = r.read(c, result); err != nil {
				return err
			}
		}
		r.record(Event{Kind: Write, File: c.file, Offset: c.at, Data: c.data[:result]})
	case "truncate":
		r.record(Event{Kind: Truncate, File: c.file, Offset: c.at})
	case "sync":
		r.record(Event{Kind: Sync, File: c.file, Begin: c.begin, DataOnly: c.dataOnly})
	case "syncdir":
		r.record(Event{Kind: SyncDir, Begin: c.begin})
	case "open":
		if c.created {
			if _, there := r.names[c.new]; !there { // else another thread was faster
				r.create(c.new, fmt.Sprintf("/proc/%d/fd/%d", r.tracer.pid, result))
			}
		} else if c.cut {
			r.record(Event{Kind: Truncate, File: r.names[c.new]})
		}
	case "own":
		path := fmt.Sprintf("/proc/%d/fd/%d", r.tracer.pid, int32(c.fd))
		if c.old != "" {
			c.file, path = r.names[c.old], filepath.Join(r.dir, c.old)
		}
		r.record(Event{Kind: Attr, File: c.file, Attrs: attrsOf(path)})
	case "link":
		r.names[c.new] = r.names[c.old]
		r.record(Event{Kind: Name, Names: map[string]int{c.new: r.names[c.old]}})
	case "rename":
		n := r.names[c.old]
		delete(r.names, c.old)
		r.names[c.new] = n
		r.record(Event{Kind: Name, Names: map[string]int{c.old: noFile, c.new: n}})
	case "unlink":
		delete(r.names, c.old)
		r.record(Event{Kind: Name, Names: map[string]int{c.old: noFile}})
	}
	return nil
}

// read reads what a call has copied.
func (r *Recorder) read(c *call, n int64) ([]byte, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/fd/%d", r.tracer.pid, c.fd))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	_, err = f.ReadAt(b, c.at)
	return b, err
}
