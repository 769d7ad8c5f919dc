// Package access decides which files and servers scripts can reach, and is the only
// access to files: a List finds the Location of a name, and Location.OpenDir opens its
// folder. All later operations stay in that folder.
//
//	access.go   List, Location
//	urls.go     allowed URLs
//	names.go    names of logs and temporary files
//	real.go     paths without symbolic links
//	dir.go      Dir: the folder of a file, and all operations in it
//	identity*   owner and permissions of files
//	mount*      files that are mounted by themselves
//	publish.go  giving a finished file its name
//	lock*       file locks
//	errno_*     errors of the operating systems
package access

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// List is the set of files and servers that scripts may open. The zero value allows none,
// a nil *List all.
type List struct {
	dirs []string   // absolute
	urls []*url.URL // as ParseURL returns them
	also *List      // which has to allow a URL too; nil: none
}

// New returns a List of folders and URLs. nil allows all, an empty list none.
func New(allowed []string) *List {
	if allowed == nil {
		return nil
	}
	a := &List{}
	for _, p := range allowed {
		if strings.Contains(p, "://") {
			if u, err := ParseURL(p); err == nil { // no script can open what is malformed
				a.urls = append(a.urls, u)
			}
		} else if abs, err := filepath.Abs(p); err == nil && p != "" {
			a.dirs = append(a.dirs, abs)
		}
	}
	return a
}

// Both returns a list that allows what a and b both allow.
func Both(a, b *List) *List {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	both := &List{urls: a.urls, also: b}
	for _, x := range a.dirs {
		for _, y := range b.dirs {
			if within(x, y) {
				both.dirs = append(both.dirs, x)
			} else if within(y, x) {
				both.dirs = append(both.dirs, y)
			}
		}
	}
	return both
}

// within reports whether a folder is in another one, or is that one.
func within(dir, in string) bool {
	for _, x := range spellings(dir) {
		for _, y := range spellings(in) {
			if rel, err := filepath.Rel(y, x); err == nil && filepath.IsLocal(rel) {
				return true
			}
		}
	}
	return false
}

// spellings returns a folder's path and the one without symlinks.
func spellings(dir string) []string {
	if real, err := filepath.EvalSymlinks(dir); err == nil && real != dir {
		return []string{real} // what the first one leads to is what counts
	}
	return []string{dir}
}

// Locate returns the Location of a file whose path is inside an allowed folder. It only
// chooses the folder; os.Root ensures at the moment of opening that the file really is
// inside.
func (a *List) Locate(name string) (Location, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return Location{}, kverr.Errorf(kverr.Invalid, "the store's name contains a NUL byte; remove it")
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return Location{}, err
	}
	if a == nil {
		return Location{Path: abs, given: name}, nil
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
					return Location{root: root, rel: rel, Path: path, given: name}, nil
				}
			}
		}
	}
	return Location{}, errOutside(name)
}

// Location is the place of a file, and the only way to open it.
type Location struct {
	Path  string // absolute
	root  string // folder that must contain it; "": none
	rel   string // path below root
	given string // the name that Locate got, which errors show
}

// in calls do with the root that confines the location, or with nil.
func (l Location) in(do func(*os.Root) error) error {
	if l.root == "" {
		return do(nil)
	}
	root, err := openRoot(l.root)
	if err != nil {
		return err
	}
	defer root.Close()
	err = do(root)
	var errno syscall.Errno // as in Dir.Open
	if err != nil && !errors.As(err, &errno) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
		return errOutside(l.given)
	}
	return err
}

// Stat describes the file.
func (l Location) Stat() (info os.FileInfo, err error) {
	err = l.in(func(root *os.Root) (err error) {
		if root == nil {
			info, err = os.Stat(l.Path)
		} else {
			info, err = root.Stat(l.rel)
		}
		return err
	})
	return info, err
}

// FileMode is the mode of new files.
const FileMode = 0o600

func ordinary(info os.FileInfo) error {
	switch {
	case info.IsDir():
		return kverr.Errorf(kverr.Format, "it is a directory; give the path of a file in it")
	case !info.Mode().IsRegular():
		return kverr.Errorf(kverr.Format, "it is not an ordinary file but a %s; give the path of a file", kindOf(info.Mode()))
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

// OpenError adds advice to the error of a failed open.
func OpenError(err error) error {
	switch {
	case errors.Is(err, kverr.NotAllowed):
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return kverr.Errorf(fs.ErrNotExist, "its directory does not exist; create it first")
	case errors.Is(err, syscall.EROFS):
		return kverr.Errorf(kverr.ReadOnly, "the file system is read-only; choose another path")
	case errors.Is(err, fs.ErrPermission):
		if _, said := errors.AsType[*kverr.Error](err); said {
			return err
		}
		return kverr.Errorf(fs.ErrPermission, "no permission; allow the host's user to read and write the file and its directory")
	}
	return DiskError(err)
}

// DiskError wraps an operating system error in its sentinel error, if there is one.
func DiskError(err error) error {
	if err == nil {
		return nil
	}
	return diskError(err)
}

// diskError is DiskError for an error; DiskError itself is small enough to be inlined in each write.
func diskError(err error) error {
	if IsDiskFull(err) && !errors.Is(err, kverr.Full) {
		return kverr.Errorf(kverr.Full, "the disk is full: %w", err)
	}
	return err
}

// IsDiskFull reports whether more free space would avoid the error.
func IsDiskFull(err error) bool {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return diskFullErrno(errno)
	}
	// Where the engine fails to make the file larger, it keeps only the text.
	return err != nil && diskFullText(err.Error())
}
