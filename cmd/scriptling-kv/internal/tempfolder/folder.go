// Package tempfolder makes temporary folders that do not outlive their processes: a process
// removes the folders of killed processes.
package tempfolder

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

// Folder is a temporary folder that belongs to this process: its lock says so.
type Folder struct {
	Path string
	lock *os.File
}

const (
	namePrefix  = ".kv-live-"
	numberBytes = 8
)

// Make makes a temporary folder in another one. It first removes the folders there that
// killed processes left.
func Make(parent string) (f *Folder, err error) {
	removeLeftovers(parent)
	for range 3 { // another process can look whether the new folder is left over
		if f, err = makeIn(parent); err != errTaken {
			break
		}
	}
	return f, err
}

var errTaken = errors.New("another process is removing it as abandoned")

func makeIn(parent string) (*Folder, error) {
	number := make([]byte, numberBytes)
	rand.Read(number) // never fails
	f := &Folder{Path: filepath.Join(parent, folderName(number))}
	if err := os.Mkdir(f.Path, 0o700); err != nil {
		return nil, err
	}
	if !access.CanLock {
		return f, nil
	}
	lock, err := os.Open(f.Path)
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
		return nil, errors.Join(fmt.Errorf("the folder of the copy: %w", err), f.Remove())
	}
	return f, nil
}

// Remove removes the folder and its files. It can be called again after an error.
func (f *Folder) Remove() error {
	err := os.RemoveAll(f.Path)
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
