package boltfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
	"github.com/tidwall/btree"
	bolt "go.etcd.io/bbolt"
)

// logFile is the file of a log, beside that of its store and under its lock.
type logFile struct {
	*os.File
	d    *Disk
	name string
	info os.FileInfo
	size int64
	log  *wal.Log // nil: it is only read
}

// Sync makes the log durable. It fails where the log, or the file that it is for,
// has lost its name: what is written then is written nowhere.
func (f *logFile) Sync() error {
	if err := f.d.file.dir.SyncLog(f.File); err != nil {
		return access.DiskError(err)
	}
	if err := f.d.file.stillThere(); err != nil {
		return err
	}
	here, err := f.d.file.dir.Stat(f.name)
	if err != nil || !os.SameFile(here, f.info) {
		// The file is whole, and gets what is visible at the latest at Close.
		return kverr.Errorf(kverr.Replaced, "the store's log %s was deleted, or another file is in its place; close the store and open it again", f.name)
	}
	return nil
}

// WriteAt gives a full disk its kind.
func (f *logFile) WriteAt(b []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(b, at)
	return n, access.DiskError(err)
}

// remove takes the log away, if it still is what has its name.
func (f *logFile) remove() error {
	dir := f.d.file.dir
	if here, err := dir.Stat(f.name); err != nil || !os.SameFile(here, f.info) {
		return nil
	}
	return dir.Remove(f.name)
}

func (d *Disk) logOptions() wal.Options {
	return wal.Options{
		Interval: d.opts.Interval,
		Durable:  d.becameDurable,
		Synced: func(err error) {
			if err == nil {
				d.commits.Add(1)
			}
		},
	}
}

func (d *Disk) logName() string { return d.file.dir.Base() + logSuffix }

// writableNow reports why nothing can be written, if that is so. plan is locked.
func (d *Disk) writableNow() error {
	if d.closed {
		return kverr.Closed
	}
	return d.file.stillThere()
}

// errBusy is why there is no log yet where somebody writes to the file.
var errBusy = errors.New("the file is being written")

// noLog reports whether the file has to do without a log for now: somebody writes
// to it, there is no room, which this very call may make, or no log can be made
// beside it. It is written directly then, which costs more.
func noLog(err error) bool {
	return err == errBusy || errors.Is(err, kverr.Full) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENAMETOOLONG)
}

// startLog makes a log, and has the file say that it needs it. plan is locked.
func (d *Disk) startLog() error {
	if err := d.writableNow(); err != nil {
		return err
	}
	select {
	case d.checkpoints <- struct{}{}:
		defer d.unlock()
	default:
		return errBusy
	}
	dir, name := d.file.dir, d.logName()
	file, err := dir.Create(name)
	if errors.Is(err, fs.ErrExist) {
		if err = d.removeStale(); err == nil {
			file, err = dir.Create(name)
		}
	}
	if err != nil {
		return access.OpenError(err)
	}
	f := &logFile{File: file, d: d, name: name}
	if f.info, err = file.Stat(); err != nil {
		file.Close()
		return err
	}
	log, err := wal.Create(f, d.opts.LogBytes, d.logOptions())
	if err == nil {
		err = dir.Sync()
	}
	if err == nil {
		ref := &logRef{id: log.ID()}
		err = DiskError(d.file.Update(func(t *Tx) error { return t.setLog(ref) }))
	}
	if err != nil {
		file.Close()
		if !errors.Is(err, kverr.CommitUnknown) { // then the file may need it
			f.remove()
		}
		return access.DiskError(err)
	}
	d.adopt(f, log)
	return nil
}

// adopt makes a log the disk's.
func (d *Disk) adopt(f *logFile, log *wal.Log) {
	f.size = d.opts.LogBytes
	if info, err := f.Stat(); err == nil {
		f.size = info.Size()
	}
	d.log, f.log = log, log
	d.logFile.Store(f)
	_, ring := log.Usage() // a file of a log that others made may be longer, and of any size
	d.direct = ring / 2
}

// removeStale takes away a log that no file needs any more: that of a store which
// was closed in the very moment that its process died, or of a file that is gone.
// What is not a log is not touched.
func (d *Disk) removeStale() error {
	dir, name := d.file.dir, d.logName()
	f, _, err := dir.Open(name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return access.OpenError(err)
	}
	defer f.Close()
	_, err = wal.ReadID(f)
	if errors.Is(err, kverr.Format) && !unmade(f) {
		return kverr.Errorf(kverr.Format, "the store keeps its log in %s, but a file is there that is no log; move that away", name)
	}
	return dir.Remove(name)
}

// unmade reports whether a process died while it made the log, whose header comes
// last.
func unmade(f *os.File) bool {
	b := make([]byte, wal.HeaderBytes)
	n, err := f.ReadAt(b, 0)
	return (err == nil || err == io.EOF) && bytes.Count(b[:n], []byte{0}) == n
}

// recover reads the log that the file needs, if it needs one.
func (d *Disk) recover() error {
	var ref *logRef
	err := d.file.View(func(t *Tx) error {
		ref, d.epoch = t.snap.log, t.Epoch()
		return nil
	})
	if err != nil || ref == nil {
		return err
	}
	name := d.logName()
	flag := os.O_RDWR
	if d.file.ReadOnly() {
		flag = os.O_RDONLY
	}
	file, info, err := d.file.dir.Open(name, flag)
	if errors.Is(err, fs.ErrNotExist) {
		return kverr.Errorf(kverr.Corrupt, "the file lacks what is in its log, and there is no %s beside it: a store that was not closed in order is two files; bring back the log, or restore a backup", name)
	}
	if err != nil {
		return access.OpenError(err)
	}
	f := &logFile{File: file, d: d, name: name, info: info, size: info.Size()}
	if err := d.replay(f, ref); err != nil {
		file.Close()
		return kverr.Errorf(err, "the file's log %s: %w", name, err)
	}
	return nil
}

// replay fills the buffer from a log. What the last record of a key says counts.
func (d *Disk) replay(f *logFile, ref *logRef) error {
	var states btree.Map[string, State]
	cleared := false
	end, err := wal.Replay(f, f.size, ref.id, ref.pos, func(op wal.Op) error {
		if op.Kind != wal.Clear && (op.Key == "" || len(op.Key) > bolt.MaxKeySize) || op.Kind == wal.Put && op.Value == "" {
			return kverr.Errorf(kverr.Corrupt, "a record stores what no store holds; restore the store from a backup")
		}
		switch op.Kind {
		case wal.Put:
			states.Set(op.Key, State{true, op.Deadline, op.Value})
		case wal.Delete:
			states.Set(op.Key, State{})
		case wal.Clear:
			states.Clear()
			cleared = true
			d.epoch++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if cleared {
		d.buffer.newest.clear()
	}
	err = d.file.View(func(t *Tx) error {
		states.Scan(func(key string, s State) bool {
			var was State
			if !cleared {
				_, was.Deadline, was.Exists, _ = t.Entry(key)
			}
			d.buffer.newest.put(key, was, s)
			return true
		})
		return nil
	})
	if err != nil {
		return err
	}
	d.visible, d.filed = end, ref.pos
	if d.file.ReadOnly() {
		d.logFile.Store(f)
		return unlessReadOnly(d.file.dir.SyncLog(f.File))
	}
	log, err := wal.Resume(f, f.size, ref.id, ref.pos, end, d.logOptions())
	if err == nil {
		err = d.file.dir.Sync()
	}
	if err != nil {
		return access.DiskError(err)
	}
	d.adopt(f, log)
	return nil
}
