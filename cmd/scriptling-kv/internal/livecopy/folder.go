package livecopy

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/access"
)

// folder is a temporary folder that belongs to this process: its lock says so.
type folder struct {
	path   string
	lock   *os.File
	shares bool // files in it can share blocks with the store's file
}

const (
	namePrefix  = ".kv-live-"
	numberBytes = 8
)

// newFolder makes a folder for the copy of a file: beside the file where copies can share
// its blocks, else in the system's folder for temporary files. It first removes the
// folders that killed processes left there.
func newFolder(path string) (*folder, error) {
	if f, err := makeFolder(filepath.Dir(path)); err == nil { // without permission the other place has to do
		if f.shares = canReflink(path, f.path); f.shares {
			return f, nil
		}
		if err := f.remove(); err != nil {
			return nil, err
		}
	}
	return makeFolder(os.TempDir())
}

func makeFolder(parent string) (f *folder, err error) {
	removeLeftovers(parent)
	for range 3 { // another process can look whether the new folder is left over
		if f, err = makeFolderIn(parent); err != errTaken {
			break
		}
	}
	return f, err
}

var errTaken = errors.New("another process takes it for a left-over")

func makeFolderIn(parent string) (*folder, error) {
	number := make([]byte, numberBytes)
	rand.Read(number) // never fails
	f := &folder{path: filepath.Join(parent, folderName(number))}
	if err := os.Mkdir(f.path, 0o700); err != nil {
		return nil, err
	}
	if !access.CanLock {
		return f, nil
	}
	lock, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errTaken
	}
	if err == nil {
		f.lock = lock
		var locked bool
		if locked, err = access.TryLock(lock); err == nil && !locked {
			lock.Close()
			return nil, errTaken
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the folder of the copy: %w", err), f.remove())
	}
	return f, nil
}

func (f *folder) remove() error {
	err := os.RemoveAll(f.path)
	if err == nil && f.lock != nil {
		f.lock.Close()
		f.lock = nil
	}
	return err
}

// folderName is the prefix, a random number and a checksum of it: no folder of anybody
// else has such a name.
func folderName(number []byte) string {
	return namePrefix + hex.EncodeToString(number) + "-" + fmt.Sprintf("%08x", crc32.ChecksumIEEE(append([]byte("scriptling-kv live "), number...)))
}

func isFolderName(name string) bool {
	rest, ok := strings.CutPrefix(name, namePrefix)
	text, _, _ := strings.Cut(rest, "-")
	number, err := hex.DecodeString(text)
	return ok && err == nil && len(number) == numberBytes && folderName(number) == name
}

// removeLeftovers removes the folders in parent that no process has locked.
func removeLeftovers(parent string) {
	if !access.CanLock {
		return
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !isFolderName(e.Name()) {
			continue
		}
		removeLeftover(filepath.Join(parent, e.Name()))
	}
}

func removeLeftover(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	named, lerr := os.Lstat(path)
	if err != nil || lerr != nil || !info.IsDir() || named.Mode()&fs.ModeSymlink != 0 || !os.SameFile(info, named) {
		return
	}
	if locked, err := access.TryLock(f); err == nil && locked {
		os.RemoveAll(path) // best effort: it can be another user's
	}
}

// canReflink reports whether a file in dir can share blocks with the file at path.
func canReflink(path, dir string) bool {
	from, err := os.Open(path)
	if err != nil {
		return false
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(dir, "probe"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	err = reflink(to, from)
	return errors.Join(err, to.Close(), os.Remove(to.Name())) == nil
}
