package main

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

	filelock "github.com/scriptling-kv/extlibs/internal/access"
)

// The name of a file that an export writes is temporaryPrefix, a random number, a dash
// and the number's checksum, so that no file of somebody else has such a name. The
// export locks the file as long as it runs.
const (
	temporaryPrefix = ".kv-export-"
	randomBytes     = 8
)

func temporaryName() string {
	number := make([]byte, randomBytes)
	rand.Read(number) // never fails
	return temporaryPrefix + hex.EncodeToString(number) + "-" + temporaryChecksum(number)
}

func temporaryChecksum(number []byte) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE(append([]byte("scriptling-kv export "), number...)))
}

func isTemporaryName(name string) bool {
	rest, ok := strings.CutPrefix(name, temporaryPrefix)
	text, checksum, dash := strings.Cut(rest, "-")
	number, err := hex.DecodeString(text)
	return ok && dash && err == nil && len(number) == randomBytes && checksum == temporaryChecksum(number)
}

// createTemporary creates and locks a file in a folder.
func createTemporary(folder string) (*os.File, error) {
	for {
		f, err := os.OpenFile(filepath.Join(folder, temporaryName()), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		locked, err := filelock.TryLock(f)
		if err != nil { // a file system without locks: another export can't lock it either
			return f, nil
		}
		if locked && isAt(f, f.Name()) {
			return f, nil
		}
		f.Close() // another export took it for a left-over before it was locked, and removes it
	}
}

// isAt reports whether path names the file that f has open.
func isAt(f *os.File, path string) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(info, there)
}

// removeLeftOvers removes from a folder what killed exports left in it. A file that
// cannot be removed stays, which is no reason not to export.
func removeLeftOvers(folder string) {
	if !filelock.CanLock {
		return // an export that runs looks like one that was killed
	}
	d, err := os.Open(folder)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(1000)
		for _, name := range names {
			if isTemporaryName(name) {
				removeLeftOver(filepath.Join(folder, name))
			}
		}
		if err != nil {
			return
		}
	}
}

func removeLeftOver(path string) {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if locked, err := filelock.TryLock(f); err == nil && locked && isAt(f, path) {
		os.Remove(path)
	}
}

// publish closes a complete file and gives it its name, never in the place of another.
func publish(f *os.File, path string) error {
	err := os.Link(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return errors.Join(isFree(path), f.Close())
	}
	if err == nil {
		return f.Close()
	}
	if err := errors.Join(isFree(path), f.Close()); err != nil { // a file system without links
		return err
	}
	return os.Rename(f.Name(), path)
}

// syncFolder makes a new name in a folder durable, where the file system can.
func syncFolder(folder string) {
	if d, err := os.Open(folder); err == nil {
		d.Sync() // the file itself is synced
		d.Close()
	}
}
