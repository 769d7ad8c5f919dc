//go:build linux && amd64

package powercut

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

	dir    string
	disk   *Disk
	names  map[string]int
	inodes map[uint64]int
	files  int

	calls    int
	inFlight map[int]*call // by thread
	killed   bool
	tracer   *tracer
}

// call is a call of a thread on its way to an event.
type call struct {
	Call
	file     int
	at       int64
	data     []byte
	old, new string // names
	created  bool   // by open
	cut      bool   // by open
	copied   bool   // data is known afterwards only
	fd       uint64
	begin    int
	dataOnly bool
}

// NewRecorder returns a recorder of a folder. The existing content counts as durable.
func NewRecorder(dir string) (*Recorder, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	r := &Recorder{dir: dir, disk: NewDisk(), names: map[string]int{}, inodes: map[uint64]int{}}
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

// decode returns nil for a call that has nothing to do with the folder.
func (r *Recorder) decode(s *stopped) (*call, error) {
	switch n := s.number(); n {
	case syscall.SYS_WRITE, syscall.SYS_PWRITE64, syscall.SYS_WRITEV, syscall.SYS_PWRITEV, sysPwritev2:
		c, err := r.onFile(s.arg(0), "write")
		if c == nil || err != nil {
			return nil, err
		}
		if n == syscall.SYS_WRITE || n == syscall.SYS_WRITEV {
			c.at, err = r.position(s.arg(0), c.file)
		} else {
			c.at = int64(s.arg(3))
		}
		if err == nil && (n == syscall.SYS_WRITE || n == syscall.SYS_PWRITE64) {
			c.data, err = r.tracer.memory(s.arg(1), s.arg(2))
		} else if err == nil {
			c.data, err = r.vector(s.arg(1), s.arg(2))
		}
		return c, err
	case syscall.SYS_FTRUNCATE:
		c, err := r.onFile(s.arg(0), "truncate")
		if c != nil {
			c.at = int64(s.arg(1))
		}
		return c, err
	case syscall.SYS_FALLOCATE:
		c, err := r.onFile(s.arg(0), "truncate")
		if c == nil || err != nil {
			return nil, err
		}
		c.at = max(int64(s.arg(2)+s.arg(3)), r.disk.file(c.file).newestSize())
		if mode := s.arg(1); mode != 0 {
			return nil, fmt.Errorf("fallocate with mode %d is not known here", mode)
		}
		return c, nil
	case syscall.SYS_SENDFILE:
		return r.copying(s.arg(0), 0)
	case sysCopyFileRange:
		return r.copying(s.arg(2), s.arg(3))
	case syscall.SYS_SPLICE:
		return r.copying(s.arg(2), s.arg(3))
	case syscall.SYS_FSYNC, syscall.SYS_FDATASYNC:
		if r.link(s.arg(0)) == r.dir {
			return &call{Call: Call{Op: "syncdir", Name: "."}}, nil
		}
		c, err := r.onFile(s.arg(0), "sync")
		if c != nil {
			c.dataOnly = n == syscall.SYS_FDATASYNC
		}
		return c, err
	case syscall.SYS_FCHMOD, syscall.SYS_FCHOWN:
		return r.onFile(s.arg(0), "own")
	case syscall.SYS_CHMOD, syscall.SYS_CHOWN, syscall.SYS_LCHOWN:
		return r.oneName("own", atWorkingDir, s.arg(0))
	case syscall.SYS_FCHMODAT, syscall.SYS_FCHOWNAT, sysFchmodat2:
		return r.oneName("own", s.arg(0), s.arg(1))
	case syscall.SYS_OPEN, syscall.SYS_CREAT:
		return r.open(s, atWorkingDir, s.arg(0), s.arg(1))
	case syscall.SYS_OPENAT:
		return r.open(s, s.arg(0), s.arg(1), s.arg(2))
	case sysOpenat2:
		how, err := r.tracer.memory(s.arg(2), 8)
		if err != nil {
			return nil, err
		}
		return r.open(s, s.arg(0), s.arg(1), binary.LittleEndian.Uint64(how))
	case syscall.SYS_RENAME:
		return r.twoNames("rename", atWorkingDir, s.arg(0), atWorkingDir, s.arg(1), 0)
	case syscall.SYS_RENAMEAT:
		return r.twoNames("rename", s.arg(0), s.arg(1), s.arg(2), s.arg(3), 0)
	case sysRenameat2:
		return r.twoNames("rename", s.arg(0), s.arg(1), s.arg(2), s.arg(3), s.arg(4)&^1) // 1: not over another file
	case syscall.SYS_LINK:
		return r.twoNames("link", atWorkingDir, s.arg(0), atWorkingDir, s.arg(1), 0)
	case syscall.SYS_LINKAT:
		return r.twoNames("link", s.arg(0), s.arg(1), s.arg(2), s.arg(3), s.arg(4))
	case syscall.SYS_UNLINK:
		return r.oneName("unlink", atWorkingDir, s.arg(0))
	case syscall.SYS_UNLINKAT:
		return r.oneName("unlink", s.arg(0), s.arg(1))
	case syscall.SYS_NEWFSTATAT:
		return r.oneName("look", s.arg(0), s.arg(1))
	default: // nothing of ours uses these; if it does, they need to be known here
		return nil, r.unknown(s)
	}
}

const atWorkingDir = ^uint64(99)

func (r *Recorder) unknown(s *stopped) error {
	switch s.number() {
	case syscall.SYS_SYNC_FILE_RANGE, sysSyncfs:
		if link := r.link(s.arg(0)); !r.inside(link) && link != r.dir {
			return nil
		}
	case syscall.SYS_SYMLINK, syscall.SYS_TRUNCATE, syscall.SYS_MKDIR, syscall.SYS_RMDIR, syscall.SYS_SYMLINKAT, syscall.SYS_MKDIRAT:
		return nil // if it was in the folder, compare will find it
	}
	return fmt.Errorf("system call %d is not known here", s.number())
}

func (r *Recorder) link(fd uint64) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", r.tracer.pid, int32(fd)))
	return path
}

func (r *Recorder) inside(path string) bool {
	return filepath.Dir(path) == r.dir
}

// onFile is a call on a file of the folder that is open.
func (r *Recorder) onFile(fd uint64, op string) (*call, error) {
	path := r.link(fd)
	if !r.inside(path) {
		return nil, nil
	}
	n, ok := r.inodes[inode(fmt.Sprintf("/proc/%d/fd/%d", r.tracer.pid, int32(fd)))]
	if !ok {
		return nil, fmt.Errorf("%s of file %s, which was never created", op, path)
	}
	name := strings.TrimSuffix(filepath.Base(path), " (deleted)")
	return &call{Call: Call{Op: op, Name: name}, file: n, fd: fd}, nil
}

// position is where a write without an offset goes.
func (r *Recorder) position(fd uint64, file int) (int64, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", r.tracer.pid, fd))
	if err != nil {
		return 0, err
	}
	at := int64(0)
	for line := range strings.Lines(string(info)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch name {
		case "pos":
			at, err = strconv.ParseInt(value, 10, 64)
		case "flags":
			if flags, e := strconv.ParseInt(value, 8, 64); e == nil && flags&syscall.O_APPEND != 0 {
				return r.disk.file(file).newestSize(), err
			}
		}
	}
	return at, err
}

func (r *Recorder) vector(at, n uint64) (data []byte, err error) {
	table, err := r.tracer.memory(at, 16*n)
	for ; err == nil && len(table) > 0; table = table[16:] {
		var part []byte
		part, err = r.tracer.memory(binary.LittleEndian.Uint64(table), binary.LittleEndian.Uint64(table[8:]))
		data = append(data, part...)
	}
	return data, err
}

// copying is a call that copies from one file to another.
func (r *Recorder) copying(fd, offset uint64) (c *call, err error) {
	if c, err = r.onFile(fd, "write"); c == nil || err != nil {
		return c, err
	}
	if offset != 0 {
		return nil, fmt.Errorf("a copy with an offset is not known here")
	}
	c.copied = true
	c.at, err = r.position(fd, c.file)
	return c, err
}

// name resolves a name of a call; "" is one elsewhere.
func (r *Recorder) name(dir, at uint64) (string, error) {
	path, err := r.tracer.text(at)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(path) {
		base := r.link(dir)
		if int32(dir) == -100 {
			base, _ = os.Readlink(fmt.Sprintf("/proc/%d/cwd", r.tracer.pid))
		}
		path = filepath.Join(base, path)
	}
	path = filepath.Clean(path)
	if path == r.dir {
		return ".", nil
	}
	if real, err := filepath.EvalSymlinks(filepath.Dir(path)); err != nil || real != r.dir {
		return "", nil
	}
	return filepath.Base(path), nil
}

func (r *Recorder) open(s *stopped, dir, path, flags uint64) (*call, error) {
	name, err := r.name(dir, path)
	if name == "" || err != nil {
		return nil, err
	}
	if name == "." {
		const tmpfile = 0x400000
		if flags&tmpfile != 0 {
			return nil, fmt.Errorf("files without a name are not known here")
		}
		return &call{Call: Call{Op: "opendir", Name: name}}, nil
	}
	_, there := r.names[name]
	creates := s.number() == syscall.SYS_CREAT || flags&syscall.O_CREAT != 0
	return &call{
		Call: Call{Op: "open", Name: name}, new: name, created: creates && !there,
		cut: there && (s.number() == syscall.SYS_CREAT || flags&syscall.O_TRUNC != 0),
	}, nil
}

func (r *Recorder) oneName(op string, dir, path uint64) (*call, error) {
	name, err := r.name(dir, path)
	if name == "" || err != nil {
		return nil, err
	}
	return &call{Call: Call{Op: op, Name: name}, old: name}, nil
}

func (r *Recorder) twoNames(op string, oldDir, oldPath, newDir, newPath, flags uint64) (*call, error) {
	from, err := r.name(oldDir, oldPath)
	if err != nil {
		return nil, err
	}
	to, err := r.name(newDir, newPath)
	switch {
	case err != nil || from == "" && to == "":
		return nil, err
	case from == "" || to == "":
		return nil, fmt.Errorf("%s into the folder or out of it (%q, %q) is not known here", op, from, to)
	case flags != 0:
		return nil, fmt.Errorf("%s with flags %x is not known here", op, flags)
	}
	return &call{Call: Call{Op: op, Name: to}, old: from, new: to}, nil
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
