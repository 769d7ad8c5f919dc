//go:build linux && amd64

package powercut

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

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
