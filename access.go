package extlibs

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

// access says which files and servers scripts may open. The zero value allows
// none, a nil *access all.
type access struct {
	dirs []string // absolute
	urls []string
}

// newAccess takes allowedPaths as the Register functions do.
func newAccess(allowed []string) *access {
	if allowed == nil {
		return nil
	}
	a := &access{}
	for _, p := range allowed {
		if strings.Contains(p, "://") {
			a.urls = append(a.urls, strings.TrimSuffix(p, "/"))
		} else if abs, err := filepath.Abs(p); err == nil && p != "" {
			a.dirs = append(a.dirs, abs)
		}
	}
	return a
}

// allowURL checks a URL against the listed ones, each of which also allows what
// is below it.
func (a *access) allowURL(url string) error {
	if a == nil {
		return nil
	}
	for _, allowed := range a.urls {
		if rest, ok := strings.CutPrefix(url, allowed); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
			return nil
		}
	}
	return kverr.Errorf(ErrNotAllowed, "access denied: the URL is not among those that the host allows")
}

// locate finds the place of a file whose path is inside an allowed folder. It
// only chooses the folder: that the file really is inside is up to os.Root,
// which holds at the moment of opening.
func (a *access) locate(name string) (location, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return location{}, kverr.Errorf(ErrInvalid, "the store's name contains a NUL byte")
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return location{}, err
	}
	if a == nil {
		return location{path: abs}, nil
	}
	// The name may also reach an allowed folder by another way, such as a
	// symlink to it. Resolved names come first, because os.Root refuses a
	// symlink with an absolute target even if that is inside.
	var spellings []string
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		spellings = append(spellings, real)
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		spellings = append(spellings, filepath.Join(dir, filepath.Base(abs)))
	}
	spellings = append(spellings, abs)
	for _, path := range spellings {
		for _, dir := range a.dirs {
			roots := []string{dir}
			if real, err := filepath.EvalSymlinks(dir); err == nil && real != dir {
				roots = append(roots, real)
			}
			for _, root := range roots {
				if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
					return location{root: root, rel: rel, path: path}, nil
				}
			}
		}
	}
	return location{}, kverr.Errorf(ErrNotAllowed, "access denied: path '%s' is outside allowed directories", name)
}

// location is where a file is, and the only way to it.
type location struct {
	path string // absolute
	root string // folder that must contain it; "": none
	rel  string // path below root
}

// in calls do with the root that confines the location, or with nil.
func (l location) in(do func(*os.Root) error) error {
	if l.root == "" {
		return do(nil)
	}
	root, err := os.OpenRoot(l.root)
	if err != nil {
		return err
	}
	defer root.Close()
	err = do(root)
	// What os.Root itself refuses has no error of the operating system in it.
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
		return kverr.Errorf(ErrNotAllowed, "access denied: path '%s' is outside allowed directories", l.path)
	}
	return err
}

func (l location) stat() (info os.FileInfo, err error) {
	err = l.in(func(root *os.Root) (err error) {
		if root == nil {
			info, err = os.Stat(l.path)
		} else {
			info, err = root.Stat(l.rel)
		}
		return err
	})
	return info, err
}

const fileMode = 0o600

// open opens the file, waiting for nothing.
func (l location) open(flag int) (f *os.File, err error) {
	flag |= openNonblock
	err = l.in(func(root *os.Root) (err error) {
		if root == nil {
			f, err = os.OpenFile(l.path, flag, fileMode)
		} else {
			f, err = root.OpenFile(l.rel, flag, fileMode)
		}
		return err
	})
	return f, err
}

// remove takes back a file that was just created.
func (l location) remove() error {
	return l.in(func(root *os.Root) error {
		if root == nil {
			return os.Remove(l.path)
		}
		return root.Remove(l.rel)
	})
}

// syncDir makes the names in the file's folder durable, where the system can.
func (l location) syncDir() error {
	return l.in(func(root *os.Root) error {
		var dir *os.File
		var err error
		if root == nil {
			dir, err = os.Open(filepath.Dir(l.path))
		} else {
			dir, err = root.Open(filepath.Dir(l.rel))
		}
		if err != nil {
			return nil // a folder that can't be read can still hold files
		}
		defer dir.Close()
		if err := dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) && runtime.GOOS != "windows" {
			return diskError(err)
		}
		return nil
	})
}

// storeFile is an ordinary file, open.
type storeFile struct {
	*os.File
	info     os.FileInfo
	created  bool
	readOnly bool
}

// openStore opens the file, or creates it in a folder that exists.
func (l location) openStore() (f storeFile, err error) {
	switch info, err := l.stat(); {
	case err == nil:
		if err := ordinary(info); err != nil {
			return f, err
		}
		f.File, err = l.open(os.O_RDWR)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
			f.readOnly = true
			f.File, err = l.open(os.O_RDONLY)
		}
		if err != nil {
			return f, openError(err)
		}
	case errors.Is(err, fs.ErrNotExist):
		f.File, err = l.open(os.O_RDWR | os.O_CREATE | os.O_EXCL)
		if errors.Is(err, fs.ErrExist) { // someone was faster, or it is a dangling symlink
			f.File, err = l.open(os.O_RDWR | os.O_CREATE)
		} else {
			f.created = err == nil
		}
		if err != nil {
			return f, openError(err)
		}
	default:
		return f, openError(err)
	}
	// What was looked at before may have been swapped since.
	if f.info, err = f.Stat(); err == nil {
		err = ordinary(f.info)
	}
	if err != nil {
		f.Close()
		return f, err
	}
	return f, nil
}

func ordinary(info os.FileInfo) error {
	switch {
	case info.IsDir():
		return kverr.Errorf(ErrFormat, "it is a directory; give the path of a file in it")
	case !info.Mode().IsRegular():
		return kverr.Errorf(ErrFormat, "it is not an ordinary file but a %s; give the path of a file", kindOf(info.Mode()))
	}
	return nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

// openError says what can be done about a failure to open.
func openError(err error) error {
	switch {
	case errors.Is(err, ErrNotAllowed):
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return kverr.Errorf(fs.ErrNotExist, "its directory does not exist; create it first")
	case errors.Is(err, syscall.EROFS):
		return kverr.Errorf(ErrReadOnly, "the file system is read-only; choose another path")
	case errors.Is(err, fs.ErrPermission):
		return kverr.Errorf(fs.ErrPermission, "no permission; let the host's user read and write the file and its directory")
	}
	return diskError(err)
}
