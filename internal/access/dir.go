package access

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Act is an operation on a folder, or a durable operation on a file.
type Act string

// The operations before which a Hook is called.
const (
	ActOpenDir Act = "open folder"
	ActOpen    Act = "open"
	ActCreate  Act = "create"
	ActLink    Act = "link"
	ActRename  Act = "rename"
	ActRemove  Act = "remove"
	ActSync    Act = "sync"
	ActSyncLog Act = "sync log"
	ActSyncDir Act = "sync folder"

	ActAllocate    Act = "allocate" // blocks of the file, which grows
	ActAllocateLog Act = "allocate log"
	ActTruncateLog Act = "truncate log"

	ActCommit        Act = "commit"          // by the engine, which has written nothing yet
	ActSyncMetaPage  Act = "sync meta page"  // the end of a commit: it is made, and may not last
	ActWriteMetaPage Act = "write meta page" // a second one of the last commit
)

// Hook is for tests. It is called before each operation with the name of the file
// concerned. If it returns an error, the operation fails with that error and is not
// carried out.
type Hook func(act Act, name string) error

// Dir is the open folder of one file. All operations on the names of the file, and on the
// files beside it, go through it: if the path leads elsewhere later, Dir is still the
// folder that was opened.
type Dir struct {
	path  string // of the file, absolute
	given string // the name that errors show
	base  string // of the file
	root  *os.Root
	hook  Hook
}

// maxLinks limits the symlinks on the way to one file.
const maxLinks = 40

// OpenDir opens the folder of the file. If the file is a symlink, that is the folder of
// its target. hook can be nil.
func (l Location) OpenDir(hook Hook) (*Dir, error) {
	if hook == nil {
		hook = func(Act, string) error { return nil }
	}
	for range maxLinks {
		if err := hook(ActOpenDir, filepath.Dir(l.Path)); err != nil {
			return nil, OpenError(err)
		}
		root, err := l.openRoot()
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && strings.Contains(l.Path, string(filepath.Separator)+"~") {
				return nil, kverr.Errorf(fs.ErrNotExist, `its directory does not exist: "~" is not expanded to the home directory; give the full path`)
			}
			return nil, OpenError(err)
		}
		d := &Dir{path: l.Path, given: l.given, base: filepath.Base(l.Path), root: root, hook: hook}
		if l.root != "" {
			d.base = filepath.Base(l.rel)
		}
		if d.base == "." || d.base == string(filepath.Separator) {
			root.Close()
			return nil, ordinary(dirInfo{})
		}
		info, err := root.Lstat(d.base)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return d, nil
		}
		target, err := root.Readlink(d.base)
		root.Close()
		if err != nil {
			return nil, OpenError(err)
		}
		if l, err = l.follow(target); err != nil {
			return nil, err
		}
	}
	return nil, kverr.Errorf(fs.ErrInvalid, "it is a symlink to itself; give the path of a file")
}

// dirInfo says of itself that it is a directory.
type dirInfo struct{ fs.FileInfo }

func (dirInfo) IsDir() bool { return true }

// openRoot opens the folder of the file.
func (l Location) openRoot() (dir *os.Root, err error) {
	if l.root == "" {
		return openRoot(filepath.Dir(l.Path))
	}
	err = l.in(func(root *os.Root) (err error) {
		dir, err = root.OpenRoot(filepath.Dir(l.rel))
		return err
	})
	return dir, err
}

// openRoot opens a folder. What is none is an error at once, even if it is a named
// pipe, which would wait for a writer.
func openRoot(dir string) (*os.Root, error) {
	return os.OpenRoot(dir + string(filepath.Separator) + ".")
}

// follow is the location that a symlink at l leads to.
func (l Location) follow(target string) (Location, error) {
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(l.Path), target)
	}
	if l.root == "" {
		return Location{Path: target, given: l.given}, nil
	}
	base := strings.TrimSuffix(l.Path, l.rel) // l.Path may spell the root in another way
	if rel, err := filepath.Rel(base, target); err == nil && filepath.IsLocal(rel) {
		return Location{root: l.root, rel: rel, Path: target, given: l.given}, nil
	}
	return Location{}, errOutside(l.given)
}

// errOutside shows the name as it was given: a script must not learn what it resolves to.
func errOutside(name string) error {
	return kverr.Errorf(kverr.NotAllowed, "access denied: path '%s' is outside allowed directories; ask the host to allow its directory", kverr.Printable(kverr.ShortenName(name)))
}

// Path returns the path of the file; the last part is no symlink.
func (d *Dir) Path() string { return d.path }

// Base returns the file's name in the folder.
func (d *Dir) Base() string { return d.base }

// Close closes the folder. Files that were opened through it stay open.
func (d *Dir) Close() error { return d.root.Close() }

// Open opens an existing regular file. It never blocks on a pipe or a device.
func (d *Dir) Open(name string, flag int) (*os.File, os.FileInfo, error) {
	if err := d.hook(ActOpen, name); err != nil {
		return nil, nil, err
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if err := ordinary(info); err != nil {
		return nil, nil, err
	}
	f, err := d.root.OpenFile(name, flag|openNonblock, 0)
	if err != nil {
		// What os.Root itself refuses has no error of the operating system in it.
		if _, ok := errors.AsType[syscall.Errno](err); !ok {
			return nil, nil, errOutside(d.given)
		}
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil { // it may have been swapped since
		err = ordinary(info)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// Create creates a file; it fails if the name exists.
func (d *Dir) Create(name string) (*os.File, error) {
	if err := d.hook(ActCreate, name); err != nil {
		return nil, err
	}
	return d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, FileMode)
}

// Link gives a file a second name; it fails if the name exists.
func (d *Dir) Link(name, second string) error {
	if err := d.hook(ActLink, second); err != nil {
		return err
	}
	return d.root.Link(name, second)
}

// Rename gives a file another name, replacing the file that has it.
func (d *Dir) Rename(name, to string) error {
	if err := d.hook(ActRename, to); err != nil {
		return err
	}
	return d.root.Rename(name, to)
}

// Remove removes a name.
func (d *Dir) Remove(name string) error {
	if err := d.hook(ActRemove, name); err != nil {
		return err
	}
	return d.root.Remove(name)
}

// SyncFile makes the content and the metadata of a file durable.
func (d *Dir) SyncFile(f *os.File) error {
	if err := d.hook(ActSync, f.Name()); err != nil {
		return err
	}
	return f.Sync()
}

// SyncLog makes the content of a log durable. The size of a log does not change.
func (d *Dir) SyncLog(f *os.File) error {
	if err := d.hook(ActSyncLog, f.Name()); err != nil {
		return err
	}
	return datasync(f)
}

// Commit commits a transaction of bbolt, which writes to the file itself. If refused is
// true, nothing was written and the transaction is still open.
func (d *Dir) Commit(commit func() error) (refused bool, err error) {
	if err := d.hook(ActCommit, d.base); err != nil {
		return true, err
	}
	if err := commit(); err != nil {
		return false, err
	}
	return false, d.hook(ActSyncMetaPage, d.base)
}

// WriteMetaPage writes a meta page of the file. If refused is true, nothing was
// written. SyncMetaPage then makes it durable.
func (d *Dir) WriteMetaPage(f *os.File, page []byte, at int64) (refused bool, err error) {
	if err := d.hook(ActWriteMetaPage, d.base); err != nil {
		return true, err
	}
	_, err = f.WriteAt(page, at)
	return false, err
}

// SyncMetaPage makes a meta page durable that WriteMetaPage has written.
func (d *Dir) SyncMetaPage(f *os.File) error {
	if err := d.hook(ActSyncMetaPage, d.base); err != nil {
		return err
	}
	return datasync(f)
}

// Sync makes the names in the folder durable, where the system can.
func (d *Dir) Sync() error {
	n, err := d.syncer()
	if err != nil {
		return err
	}
	defer n.Close()
	return n.Sync()
}

// syncer makes the names in a folder durable. A caller gets one before it changes names:
// if the process has no free file descriptor, the operation fails before the change and
// not after it.
type syncer struct {
	d   *Dir
	dir *os.File // nil: the system has no such thing
}

// syncer returns a syncer for the folder; the caller closes it.
func (d *Dir) syncer() (*syncer, error) {
	if runtime.GOOS == "windows" {
		return &syncer{d: d}, nil
	}
	err := d.hook(ActOpen, ".")
	var dir *os.File
	if err == nil {
		dir, err = d.root.Open(".")
	}
	if err != nil {
		return nil, syncDirError(err)
	}
	return &syncer{d, dir}, nil
}

// Sync makes the names durable.
func (n *syncer) Sync() error {
	if err := n.d.hook(ActSyncDir, n.d.root.Name()); err != nil {
		return syncDirError(err)
	}
	if n.dir == nil {
		return nil
	}
	if err := n.dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return syncDirError(err)
	}
	return nil
}

// Close releases the resources of the syncer.
func (n *syncer) Close() {
	if n.dir != nil {
		n.dir.Close()
	}
}

func syncDirError(err error) error {
	err = DiskError(err)
	return kverr.Errorf(err, "its directory could not be synced: %w", err)
}

// Temp creates a temporary file, locked while it is open. The lock distinguishes it from
// a left-over of a crashed process.
func (d *Dir) Temp(kind string) (f *os.File, name string, err error) {
	for {
		name = TempName(kind)
		f, err = d.Create(name)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		// Until it is locked, another process may take it for a dead one's.
		locked, err := TryLock(f)
		if err != nil { // a file system without locks: no other process can lock it either
			locked, err = true, nil
		}
		if locked {
			var info os.FileInfo
			if info, err = f.Stat(); err == nil {
				_, err = d.Names(name, info)
			}
			if err == nil {
				return f, name, nil
			}
		}
		f.Close()
		if err != nil && !errors.Is(err, kverr.Replaced) { // else that process has removed it
			d.root.Remove(name)
			return nil, "", err
		}
	}
}

// RemoveLeftovers removes the temporary files of crashed processes: files with a name that
// only Temp makes, and that no process has locked. own is the file that the caller has locked,
// whose temporary name can be left too; nil means none.
func (d *Dir) RemoveLeftovers(own os.FileInfo) {
	if !CanLock {
		return
	}
	d.List(func(name string) { // what stays does no harm
		if name != d.base && isTempName(name) {
			d.removeLeftover(name, own)
		}
	})
}

func (d *Dir) removeLeftover(name string, own os.FileInfo) {
	f, info, err := d.Open(name, os.O_RDWR)
	if err != nil {
		return
	}
	defer f.Close()
	if own == nil || !os.SameFile(info, own) {
		if locked, err := TryLock(f); err != nil || !locked {
			return
		}
	}
	if here, err := d.root.Lstat(name); err == nil && os.SameFile(here, info) {
		d.Remove(name)
	}
}
