package boltfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
	"github.com/tidwall/btree"
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
// has lost its name: what is written then is written nowhere. That the file takes no
// commit any more is no reason: the next open has what is in the log.
func (f *logFile) Sync() error {
	if err := f.d.file.dir.SyncLog(f.File); err != nil {
		return access.DiskError(err)
	}
	if err := f.d.file.stillThere(); errors.Is(err, kverr.Replaced) {
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
	if d.closed.Load() {
		return kverr.Closed
	}
	return d.file.stillThere()
}

// errBusy is why there is no log yet where somebody writes to the file, or there was
// no room for one just now.
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
	if time.Since(d.noRoom) < fullPause {
		return errBusy
	}
	select {
	case d.checkpoints <- struct{}{}:
		defer d.unlock()
	default:
		return errBusy
	}
	err := d.makeLog()
	if errors.Is(err, kverr.Full) {
		d.noRoom = time.Now()
	}
	return err
}

func (d *Disk) makeLog() error {
	dir, name := d.file.dir, d.logName()
	file, err := dir.Create(name)
	if errors.Is(err, fs.ErrExist) {
		if err = d.freeName(); err == nil {
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
	d.mendHeaders(&logRef{id: log.ID()}) // the one before names no log; what the log gets is safe without this
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

// remains says what a log is that has the name of the store's own.
type remains int

const (
	foreign remains = iota // another store may need it: its file was moved away after a crash, or deleted
	unmade                 // a process died while it made it,
	unused                 // before it wrote to it,
	done                   // or after it had closed the store
)

// freeName takes away what has the log's name: one that is no more than left over is
// removed, any other gets another name. What is not a log is not touched.
func (d *Disk) freeName() error {
	dir, name := d.file.dir, d.logName()
	what, id, err := d.leftOver()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case what != foreign:
		return dir.Remove(name)
	}
	aside := fmt.Sprintf("%s-%x", name, id[:4])
	if _, err := dir.Stat(aside); !errors.Is(err, fs.ErrNotExist) {
		return kverr.Errorf(kverr.InUse, "the store keeps its log in %s, but the log of a store that was moved or deleted is there, and one like it in %s; move it away", name, aside)
	}
	if err := dir.Rename(name, aside); err != nil {
		return err
	}
	d.opts.Logger.Warn("kv: a log lay in the place of the store's own, and has another name now; a file that was moved away without being closed needs it", "path", d.file.Path(), "log", aside)
	return nil
}

// leftOver looks at the log that has the name of the store's own.
func (d *Disk) leftOver() (what remains, id wal.ID, err error) {
	f, info, err := d.file.dir.Open(d.logName(), os.O_RDONLY)
	if err != nil {
		return foreign, id, access.OpenError(err)
	}
	defer f.Close()
	id, err = wal.ReadID(f)
	switch {
	case errors.Is(err, kverr.Format):
		zeros, err := onlyZeros(f, info.Size())
		if err == nil && !zeros {
			err = kverr.Errorf(kverr.Format, "the store keeps its log in %s, but a file is there that is no log; move that away", d.logName())
		}
		return unmade, id, err
	case errors.Is(err, kverr.Corrupt):
		return foreign, id, nil
	case err != nil:
		return foreign, id, access.DiskError(err)
	}
	var closed wal.ID
	if err := d.file.View(func(t *Tx) error { closed = t.snap.closed; return nil }); err != nil {
		return foreign, id, err
	}
	if id == closed {
		return done, id, nil
	}
	empty, err := wal.Unused(f, info.Size(), id)
	switch {
	case errors.Is(err, kverr.Corrupt):
		return foreign, id, nil
	case err != nil || !empty:
		return foreign, id, err
	}
	return unused, id, nil
}

// onlyZeros reports whether a file may be a log that was being made: its header
// comes last.
func onlyZeros(f *os.File, size int64) (bool, error) {
	if size > wal.HeaderBytes+wal.MaxBytes {
		return false, nil
	}
	b := make([]byte, 64<<10)
	for at := int64(0); at < size; {
		n, err := f.ReadAt(b[:min(int64(len(b)), size-at)], at)
		if bytes.Count(b[:n], []byte{0}) != n {
			return false, nil
		}
		if err != nil && err != io.EOF || n == 0 {
			return false, err
		}
		at += int64(n)
	}
	return true, nil
}

// recover reads the log that the file needs, if it needs one.
func (d *Disk) recover(ctx context.Context) error {
	var ref *logRef
	err := d.file.View(func(t *Tx) error {
		ref, d.epoch = t.snap.log, t.Epoch()
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case ref != nil:
		err = d.openLog(ctx, ref)
	case d.file.torn:
		err = d.tornAtStart()
	case !d.file.ReadOnly():
		if what, _, err := d.leftOver(); err == nil && what != foreign { // any other is for who needs the name
			return d.file.dir.Remove(d.logName())
		}
	}
	if !d.file.torn {
		return err
	}
	if err != nil {
		return kverr.Errorf(kverr.Corrupt, "the file's header is damaged, and no log completes the commit before it (%w); restore it from a backup", err)
	}
	d.opts.Logger.Warn("kv: the file's header was damaged, as by a power cut in the middle of a commit; the log has what the commit before it lacks", "path", d.file.Path())
	return nil
}

// tornAtStart is about a file whose header is torn, and which needed no log in the
// commit before. Nothing is missing where the commit that is lost did nothing but
// name a new log, which nothing was written to.
func (d *Disk) tornAtStart() error {
	what, _, err := d.leftOver()
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("there is none")
	}
	if err == nil && what != unused {
		err = errors.New("it needs none")
	}
	if err != nil || d.file.ReadOnly() {
		return err
	}
	if err := d.mendHeaders(nil); err != nil {
		return err
	}
	return d.file.dir.Remove(d.logName())
}

// mendHeaders makes one more commit, so that both headers of the file are whole and
// name the same place in the log: the one before may have named a place that is no
// longer in the log. A file that is full has to do without that.
func (d *Disk) mendHeaders(ref *logRef) error {
	err := DiskError(d.file.Update(func(t *Tx) error { return t.setLog(ref) }))
	if errors.Is(err, kverr.Full) {
		return nil
	}
	return err
}

// openLog opens and reads the log that the file needs.
func (d *Disk) openLog(ctx context.Context, ref *logRef) error {
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
	if err := d.replay(ctx, f, ref); err != nil {
		file.Close()
		return kverr.Errorf(err, "the file's log %s: %w", name, err)
	}
	if d.file.ReadOnly() {
		return nil
	}
	return d.mendHeaders(ref)
}

// replay fills the buffer from a log. What the last record of a key says counts.
func (d *Disk) replay(ctx context.Context, f *logFile, ref *logRef) error {
	var states btree.Map[string, State]
	cleared := false
	end, err := wal.Replay(ctx, f, f.size, ref.id, ref.pos, func(op wal.Op) error {
		if op.Kind == wal.Clear {
			states.Clear()
			cleared = true
			d.epoch++
			return nil
		}
		s := State{op.Kind == wal.Put, op.Deadline, op.Value}
		if err := checkState(op.Key, s); err != nil {
			return kverr.Errorf(kverr.Corrupt, "a record stores what no store holds (%w); restore the store from a backup", err)
		}
		states.Set(op.Key, s)
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
			d.buffer.newest.append(key, was, s)
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
