package access

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Existing says what Publish does with a file that already has the name.
type Existing uint8

const (
	MustNotExist Existing = iota // Publish fails with fs.ErrExist
	Replace                      // the file loses the name
)

// Publish gives a complete file, which Temp has created under a temporary name, the
// name of the Dir's file, and makes the content and the name durable. A crash leaves
// the complete file under that name, or no part of it. The temporary name can remain:
// the caller removes it.
//
// named reports whether the content has the name. If it does although err is not nil,
// a power cut can take the name away again.
//
// A file system without hard links cannot give a name that must not exist atomically.
// There Publish copies the content into a new file of that name, and a crash can leave
// a part of it.
func (d *Dir) Publish(f *os.File, temporary string, existing Existing) (named bool, err error) {
	names, err := d.syncer() // first: it fails before anything has changed
	if err != nil {
		return false, err
	}
	defer names.Close()
	if err := d.SyncFile(f); err != nil {
		return false, DiskError(err)
	}
	if existing == Replace {
		err = d.Rename(temporary, d.base)
	} else if err = d.Link(temporary, d.base); noLinks(err) {
		err = d.copyTo(d.base, f)
	}
	if err != nil {
		return false, OpenError(err)
	}
	return true, names.Sync()
}

func noLinks(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EMLINK)
}

// copyTo creates a file with the content, owner and permissions of another one.
func (d *Dir) copyTo(name string, from *os.File) error {
	f, err := d.Create(name)
	if err != nil {
		return err
	}
	info, err := from.Stat()
	if err == nil {
		_, err = Keep(f, info)
	}
	if err == nil {
		_, err = io.Copy(f, io.NewSectionReader(from, 0, info.Size()))
	}
	if err == nil {
		err = d.SyncFile(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		d.Remove(name) // created just now: no process has taken it for a complete file yet
	}
	return err
}
