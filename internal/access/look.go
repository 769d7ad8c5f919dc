package access

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// ActLook is the lookup of a name in the folder.
const ActLook Act = "look"

// Stat describes the file with a name in the folder. It follows no symlink.
func (d *Dir) Stat(name string) (os.FileInfo, error) {
	if err := d.hook(ActLook, name); err != nil {
		return nil, err
	}
	return d.root.Lstat(name)
}

// Names returns nil if a name in the folder refers to the file of info. The error is
// kverr.Replaced if it certainly does not: the name does not exist or refers to another
// file. Any other error means that the lookup failed, which says nothing about the file.
func (d *Dir) Names(name string, info os.FileInfo) (here os.FileInfo, err error) {
	here, err = d.Stat(name)
	switch {
	case err == nil && os.SameFile(here, info):
		return here, nil
	case err == nil || Gone(err):
		return nil, kverr.Errorf(kverr.Replaced, "the file %s was deleted or replaced", name)
	}
	return nil, err
}

// Holds returns nil if the folder has the file of info under the file's own name, and the
// file's path leads there. Its errors are those of Names. A path that cannot be searched
// is no error if the folder has the file: a process that gave up its privileges after
// opening the folder may be unable to walk there again.
func (d *Dir) Holds(info os.FileInfo) error {
	if _, err := d.Names(d.base, info); err != nil {
		return err
	}
	there, err := os.Stat(d.path)
	if err == nil && !os.SameFile(there, info) || Gone(err) {
		return kverr.Errorf(kverr.Replaced, "the folder of the file was moved, deleted or replaced")
	}
	return nil
}

// Gone reports whether a failed lookup means that the name does not exist. Other errors
// mean that the lookup itself failed: no permission, a failing disk, an unreachable
// server.
func Gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// List calls visit for each name in the folder.
func (d *Dir) List(visit func(name string)) error {
	dir, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			visit(name)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
