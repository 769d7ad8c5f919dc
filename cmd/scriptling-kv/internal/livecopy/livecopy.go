// Package livecopy copies the file of a store and its log while another process writes
// them, without that process's help.
//
//	livecopy.go   the copy, and the test whether it is of one moment
//	reflink_*.go  copies that share blocks with the file, on file systems that have them
//
// A copy is of one moment if no commit happened while it was made. bbolt never overwrites
// a page that its last commit uses, so as long as both meta pages stay the same, all pages
// that they lead to stay the same too. The log is copied after the file, and a checkpoint,
// which is a commit, is what frees its records: the copy of the log holds every record
// that the copied file needs, up to the moment at which copying the log began. A record that is
// appended during the copy is complete, or it is absent as after a crash.
package livecopy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/scriptling-kv/extlibs/cmd/scriptling-kv/internal/tempfolder"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// Copy is a copy of a store in a temporary folder.
type Copy struct {
	Path   string    // of the copied file; the copied log is beside it
	Moment time.Time // every write that was acknowledged before it is in the copy
	Bytes  int64     // of file and log
	Tries  int

	folder *tempfolder.Folder
	shares bool // files in it can share blocks with the store's file
}

// Make gives up on a file that changes after this many tries and this time, whichever comes
// later: the copy of a small file is made in a millisecond, of a large one in minutes.
const (
	leastTries = 30
	leastTime  = 30 * time.Second
)

// ErrChanging is why there is no copy: the file had a commit during each try.
var ErrChanging = errors.New("the file changed during each copy; copy it when its program writes less, or through the program: with Handle.BackupFile, or from the address at which it mounts kvadmin")

// Make copies the file at path and its log. It calls verify, which opens the copy, and
// copies again if a commit happened during the copy or if the log turned out to be torn: torn
// reports whether an error of verify can be a consequence of that. progress, which can be
// nil, is called with the number of bytes that were read. If ctx ends, or after any other
// error, no temporary file is left.
func Make(ctx context.Context, path string, progress func(n int), verify func(path string) error, torn func(error) bool) (_ *Copy, err error) {
	path, err = filepath.EvalSymlinks(path) // the log is beside the file, not beside a link to it
	if err != nil {
		return nil, err
	}
	dir, shares, err := newFolder(path)
	if err != nil {
		return nil, err
	}
	c := &Copy{Path: filepath.Join(dir.Path, filepath.Base(path)), folder: dir, shares: shares}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Remove())
		}
	}()
	if progress == nil {
		progress = func(int) {}
	}
	var last error // of verify
	for start := time.Now(); c.Tries < leastTries || time.Since(start) < leastTime; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c.Tries++
		whole, err := c.try(ctx, path, progress)
		if err != nil {
			return nil, err
		}
		if !whole {
			last = ErrChanging
			waitForCommit(ctx, path)
			continue
		}
		if last = verify(c.Path); last == nil || !torn(last) {
			break
		}
		if c.Tries >= maxTorn && last != ErrChanging { // the file itself must be damaged
			break
		}
	}
	if last != nil {
		return nil, last
	}
	return c, nil
}

// maxTorn is the number of tries after which a copy that no commit disturbed, but that
// cannot be opened, is taken for the copy of a damaged file.
const maxTorn = 10

// Remove removes the temporary files. An open copy can still be read on systems that
// remove names of open files; elsewhere the error says that they remain, and Remove works
// after the copy was closed.
func (c *Copy) Remove() error { return c.folder.Remove() }

// try makes one copy, over the previous one, and reports whether it is of one moment.
func (c *Copy) try(ctx context.Context, path string, progress func(int)) (whole bool, err error) {
	live, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer live.Close()
	info, err := live.Stat()
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("%q is not a regular file", path)
	}
	before, err := metaPages(live)
	if err != nil {
		return false, err
	}
	n, err := c.copyFile(ctx, live, c.Path, progress)
	if err != nil {
		return false, err
	}
	moment := time.Now()
	log, err := os.Open(path + wal.Suffix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.Remove(c.Path + wal.Suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	case err != nil:
		return false, err
	default:
		defer log.Close()
		size, err := c.copyFile(ctx, log, c.Path+wal.Suffix, progress)
		if err != nil {
			return false, err
		}
		n += size
	}
	after, err := metaPages(live)
	if err != nil {
		return false, err
	}
	c.Moment, c.Bytes = moment, n
	return bytes.Equal(before, after) && hasName(live, path) && (log == nil || hasName(log, path+wal.Suffix)), nil
}

// hasName reports whether an open file still has its name: compaction replaces a file.
func hasName(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(open, named)
}

// pageSizeAt is where a meta page of bbolt has the page size: after the header of the
// page, the magic and the version.
const pageSizeAt = 16 + 4 + 4

// metaPages reads both meta pages. Where the page size is damaged it reads what a file
// with the largest page size has there: a change shows there too.
func metaPages(f *os.File) ([]byte, error) {
	const usual, largest = 4 << 10, 64 << 10
	b, err := readStart(f, 2*usual)
	if err != nil || len(b) < pageSizeAt+4 {
		return b, err
	}
	size := int(binary.NativeEndian.Uint32(b[pageSizeAt:]))
	switch {
	case size < 512 || size > largest:
		return readStart(f, 2*largest)
	case size > usual:
		return readStart(f, 2*size)
	}
	return b[:min(2*size, len(b))], nil
}

// readStart reads the first n bytes of a file, or all of a shorter one.
func readStart(f *os.File, n int) ([]byte, error) {
	b := make([]byte, n)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return b[:n], nil
}

// A copy that was disturbed has the best chance directly after a commit.
const (
	commitWait = 100 * time.Millisecond // longest wait for one
	commitPoll = time.Millisecond
)

func waitForCommit(ctx context.Context, path string) {
	f, err := os.Open(path)
	if err != nil {
		return // the next try says why
	}
	defer f.Close()
	before, err := metaPages(f)
	if err != nil {
		return
	}
	poll := time.NewTicker(commitPoll)
	defer poll.Stop()
	for range int(commitWait / commitPoll) {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return
		}
		if now, err := metaPages(f); err != nil || !bytes.Equal(now, before) {
			return
		}
	}
}

// blockBytes is how much is copied between two checks of the context.
const blockBytes = 1 << 20

// copyFile makes the file at path equal to an open one, and returns its size. It writes
// only the blocks that differ, so a second try takes the time of reading.
func (c *Copy) copyFile(ctx context.Context, from *os.File, path string, progress func(int)) (size int64, err error) {
	to, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if c.shares {
		if err := reflink(to, from); err == nil {
			info, err := to.Stat()
			if err != nil {
				return 0, err
			}
			progress(int(info.Size()))
			return info.Size(), nil
		}
	}
	had, err := to.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	block, old := make([]byte, blockBytes), make([]byte, blockBytes)
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := from.ReadAt(block, size)
		if err != nil && err != io.EOF {
			return 0, err
		}
		same := false
		if had >= size+int64(n) {
			m, err := to.ReadAt(old[:n], size)
			same = m == n && (err == nil || err == io.EOF) && bytes.Equal(old[:n], block[:n])
		}
		if !same {
			if _, err := to.WriteAt(block[:n], size); err != nil {
				return 0, fmt.Errorf("the copy in %s: %w; set TMPDIR to another folder", filepath.Dir(path), err)
			}
		}
		size += int64(n)
		progress(n)
		if err == io.EOF {
			return size, to.Truncate(size)
		}
	}
}

// newFolder makes a folder for the copy of a file: beside the file where copies can share
// its blocks, else in the system's folder for temporary files.
func newFolder(path string) (f *tempfolder.Folder, shares bool, err error) {
	if f, err := tempfolder.Make(filepath.Dir(path)); err == nil { // without permission the other place has to do
		if canReflink(path, f.Path) {
			return f, true, nil
		}
		if err := f.Remove(); err != nil {
			return nil, false, err
		}
	}
	f, err = tempfolder.Make(os.TempDir())
	return f, false, err
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
