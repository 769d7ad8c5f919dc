package diskstore

import (
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// logFile is the file of a log, in the folder of its database file and under its lock.
type logFile struct {
	*os.File
	db     *boltfile.File
	name   string
	info   os.FileInfo
	size   int64                       // 0: it is being created
	log    *wal.Log                    // nil: it is only read
	lost   atomic.Pointer[kverr.Error] // why it is lost: see inPlace
	left   bool                        // lost, and the file no longer names it; for the fileWriter
	stays  time.Time                   // when it could not be replaced by a larger one; for the fileWriter
	onLoss func(why error)
}

// Sync makes the log durable. It fails if the log or its database file lost its name: the
// next open would not find what is written then. If only the file accepts no commits,
// Sync continues: the next open replays the log.
func (f *logFile) Sync() error {
	if err := f.flush(); err != nil {
		return err
	}
	err := f.db.InPlace()
	if err == nil {
		err = f.inPlace()
	}
	if err != nil && !errors.Is(err, kverr.Replaced) {
		return kverr.Errorf(wal.ErrPassing, "the names of the store's files could not be checked: %w", err)
	}
	return err
}

// flush makes durable what was written to the log, whatever its name is.
func (f *logFile) flush() error { return access.DiskError(f.db.Dir().SyncLog(f.File)) }

// inPlace returns nil if the log has its name and its length, an error that is
// kverr.Replaced if it lost one of them, and any other if that is unknown. A lost log stays
// lost: a checkpoint writes to the file what it held, and then the file does not need it.
func (f *logFile) inPlace() error {
	if why := f.lost.Load(); why != nil {
		return why
	}
	var why error
	here, err := f.db.Dir().Names(f.name, f.info)
	switch {
	case errors.Is(err, kverr.Replaced):
		why = kverr.Errorf(kverr.Replaced, "the store's log %s was deleted or replaced; close the store and open it again", f.name)
	case err != nil:
		return err
	case here.Size() < f.size:
		why = kverr.Errorf(kverr.Replaced, "the store's log %s was truncated; close the store and open it again, and keep other programs, such as logrotate, from the log", f.name)
	default:
		return nil
	}
	if f.lost.CompareAndSwap(nil, why.(*kverr.Error)) && f.log != nil {
		f.onLoss(why)
	}
	return f.lost.Load()
}

// lostLog is onLoss of the log of a store: it starts the checkpoint.
func (s *Store) lostLog(why error) {
	s.opts.Logger.Error("kv: a store takes no more writes", "path", s.file.Path(), "error", why)
	s.checkpoints.start()
}

// WriteAt gives a full disk its kind.
func (f *logFile) WriteAt(b []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(b, at)
	return n, access.DiskError(err)
}

// remove removes the log if it has its name.
func (f *logFile) remove() error {
	if _, err := f.db.Dir().Names(f.name, f.info); err != nil {
		return nil
	}
	return f.db.Dir().Remove(f.name)
}

// removeLog removes a log that the file no longer needs.
func (s *Store) removeLog(f *logFile) {
	if err := f.remove(); err != nil { // it does no harm: the file does not name it
		s.opts.Logger.Warn("kv: the log of a store could not be removed; the store does not need it", "path", s.file.Path(), "log", f.name, "error", err)
	}
}

// lock makes sure that no other store writes to the log: a copy of the file names the
// same log.
func (f *logFile) lock() error {
	if locked, err := access.TryLock(f.File); err != nil {
		return access.DiskError(err)
	} else if !locked {
		return kverr.Errorf(kverr.InUse, "the file's log %s is in use by another store: the file is a copy of that store's file, made while it was open; close that store, or copy it with BackupFile", f.name)
	}
	return nil
}

func (s *Store) logName() string { return s.file.Dir().Base() + wal.Suffix }

func (s *Store) logOptions(f *logFile) wal.Options {
	return wal.Options{
		Interval: s.opts.Interval,
		Durable: func(to wal.LSN) {
			s.commits.Add(1)
			s.publish(to)
		},
		Flush:    f.flush,
		Allocate: func(size int64) (bool, error) { return f.db.Dir().AllocateLog(f.File, size) },
		Extend:   f.extendLog,
		Truncate: f.truncateLog,
	}
}

// openLogFile opens a log that exists.
func (s *Store) openLogFile(name string) (*logFile, error) {
	flag := os.O_RDWR
	if s.file.ReadOnly() {
		flag = os.O_RDONLY
	}
	file, info, err := s.file.Dir().Open(name, flag)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, boltfile.NoPermission(s.file.Dir(), err, name, "its log "+name)
	}
	f := &logFile{File: file, db: s.file, name: name, info: info, size: info.Size(), onLoss: s.lostLog}
	if s.file.ReadOnly() {
		return f, nil
	}
	if err := f.lock(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// adopt makes a log that accepts records the store's.
func (s *Store) adopt(f *logFile, log *wal.Log) {
	f.log, f.size = log, log.FileBytes()
	s.logFile.Store(f)
}

// errBusy is why there is no log yet: another caller writes to the file, there was no room
// for a log just now, or it would not stay with the file.
var errBusy = errors.New("the file is being written")

// errTaken is why there is no log if its name cannot be freed.
var errTaken = errors.New("the name of the log is taken")

// noLog reports whether err says that there is no log for now: another caller writes to
// the file, there is no room for a log, which this call can make, or none can be created
// in the folder. Then calls are large writes.
func noLog(err error) bool {
	return err == errBusy || errors.Is(err, errTaken) || errors.Is(err, kverr.Full) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENAMETOOLONG)
}

// openLog returns the log, which it creates before the first write.
func (l planning) openLog() (*logFile, error) {
	s := l.s
	if f := s.logFile.Load(); f != nil {
		return f, nil
	}
	if err := s.writable(); err != nil {
		return nil, err
	}
	if s.file.Mounted() || time.Since(s.planner.noRoom) < fullPause {
		return nil, errBusy
	}
	w, ok := s.tryLockFile()
	if !ok {
		return nil, errBusy
	}
	defer w.unlock()
	err := w.createLog(s.opts.LogBytes)
	if errors.Is(err, kverr.Full) || errors.Is(err, errTaken) {
		s.planner.noRoom = time.Now()
	}
	return s.logFile.Load(), err
}

// createLog creates a log of about some size, and commits that the file needs it. The
// memtables are empty, and no call is planned or appended meanwhile.
func (w fileWriter) createLog(bytes int64) error {
	s, dir, name := w.s, w.s.file.Dir(), w.s.logName()
	file, err := dir.Create(name)
	if errors.Is(err, fs.ErrExist) {
		if err = w.freeName(); err == nil {
			file, err = dir.Create(name)
		}
	}
	switch {
	case errors.Is(err, errTaken):
		return err
	case err != nil:
		return access.OpenError(err)
	}
	f := &logFile{File: file, db: s.file, name: name, onLoss: s.lostLog}
	if f.info, err = file.Stat(); err == nil {
		err = f.lock()
	}
	if err == nil {
		err = s.file.KeepLog(file)
	}
	if err != nil {
		file.Close()
		if f.info != nil {
			f.remove()
		}
		return access.DiskError(err)
	}
	return w.beginLog(f, bytes, s.logOptions(f))
}

// beginLog is createLog with a file that has the log's name and is locked.
func (w fileWriter) beginLog(f *logFile, bytes int64, opts wal.Options) error {
	s, dir, file := w.s, w.s.file.Dir(), f.File
	log, err := wal.Create(f, bytes, s.visible.lsn, opts)
	if err == nil {
		err = dir.Sync()
	}
	var ref *boltfile.LogRef
	if err == nil {
		ref = &boltfile.LogRef{ID: log.ID(), Pos: log.Tail()}
		err = boltfile.DiskError(s.file.Update(func(tx *boltfile.Tx) error { return tx.SetLog(ref) }))
	}
	if err != nil {
		file.Close()
		if !errors.Is(err, kverr.CommitUnknown) && s.file.Err() == nil { // else the file may need it
			f.remove()
		}
		return access.DiskError(err)
	}
	// From here on the file needs the log, wherever the two are by now: it is never removed.
	s.visible.locked(func() { s.visible.lsn, s.visible.checkpoint = ref.Pos, ref.Pos })
	s.adopt(f, log)
	w.alignMetaPages(ref) // the meta page before names no log; the records are safe without this
	return nil
}

// resumeLog continues the log that was checked up to end.
func (w fileWriter) resumeLog(f *logFile, ref *boltfile.LogRef, end wal.LSN) error {
	s := w.s
	if access.Links(f.info) == 1 { // a process of another user can have created it
		if err := s.file.KeepLog(f.File); err != nil {
			return access.DiskError(err)
		}
	}
	size := f.size
	if ring, err := wal.RingFileBytes(f); err == nil { // from now on the segments can be removed
		f.size = min(size, ring)
	}
	log, err := wal.Resume(f, size, ref.ID, ref.Pos, end, s.logOptions(f))
	if err == nil {
		err = s.file.Dir().Sync()
	}
	if err != nil {
		return access.DiskError(err)
	}
	s.adopt(f, log)
	return nil
}
