package diskstore

import (
	"context"
	"os"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// A checkpoint of keys all over a file rewrites a leaf page for nearly each of them, as long
// as there are fewer keys than pages. So a large file gets a larger log and memtable once the
// log is busy: then a leaf is rewritten once for several keys, and writers wait less often. A
// process that writes little keeps the small log, which costs less to create.

// Ratios of sizes.
const (
	largeFile = 2 // a file with this many times Options.LogBytes is large
	largeLog  = 4 // the logs of large files have this many times Options.LogBytes in tests
	busyLog   = 8 // a log is busy if writers use more than this part of it while a checkpoint runs
)

// wantedLog returns the size that a busy log should have. A store whose size is limited never
// has a larger log than Options.LogBytes, because that takes its space from the file.
func (s *Store) wantedLog() int64 {
	base, large := s.opts.LogBytes, s.opts.LargeLogBytes
	if s.opts.Parts.LargeLogs {
		large = largeLog * base
	}
	if s.opts.MaxBytes > 0 || large <= base || s.file.Size() < largeFile*base {
		return base
	}
	return min(large, wal.MaxBytes)
}

// renewPause is how long a log stays that could not be replaced.
const renewPause = time.Minute

// renewLog replaces the log by a larger one if the file has become large and writers use the
// log faster than checkpoints free it. The new one has its blocks before anything is done to
// the old one, which stays if that is not possible. Writers wait while a checkpoint writes the
// changes since the last one. After it the file needs no log until it names the new one, as
// after an orderly close: so a crash at any moment leaves what a crash in Close or at the first
// write can leave.
//
// The LSNs of the new log continue those of the old one, so what is visible never goes back,
// and a record of the old log is durable in the view of the new one.
func (w fileWriter) renewLog() {
	s, f := w.s, w.s.logFile.Load()
	if f == nil || f.log == nil || !w.busy(f) {
		return
	}
	bytes := s.wantedLog()
	if bytes < 2*f.size || !f.stays.IsZero() && time.Since(f.stays) < renewPause {
		return
	}
	if s.writable() != nil || f.inPlace() != nil {
		return
	}
	spare, err := w.newSpareLog(bytes)
	if err != nil { // no space, or a folder in which this process can create no more files
		f.stays = time.Now()
		return
	}
	defer spare.drop()
	l, err := s.lockPlanner(context.Background())
	if err != nil {
		return
	}
	end := l.beginLarge()
	l.unlock()
	defer end()
	if s.life.closing.Load() || s.syncAll(context.Background()) != nil {
		return
	}
	if s.writable() != nil || f.inPlace() != nil { // then the log stays
		return
	}
	if w.checkpoint(true) != nil || f.lost.Load() != nil {
		return
	}
	w.alignMetaPages(nil) // the meta page before names the log
	f.log.Close()
	f.Close()
	// Calls that wait for the old log still use it: all its records are durable.
	err = w.useSpareLog(spare, f, bytes)
	if noLog(err) {
		err = w.createLog(s.opts.LogBytes)
	}
	if err != nil {
		s.logFile.CompareAndSwap(f, nil)
		s.opts.Logger.Warn("kv: a larger log could not be created; the next write tries again", "path", s.file.Path(), "error", err)
	} else if f := s.logFile.Load(); f.size < bytes {
		f.stays = time.Now()
	}
}

// spareLog is the file of a log that has all its blocks, and a temporary name.
type spareLog struct {
	*os.File
	dir     *access.Dir
	name    string
	written bool // the blocks were filled with zeros
	used    bool // it has the log's name
}

// newSpareLog creates the file of a log of about some size.
func (w fileWriter) newSpareLog(bytes int64) (*spareLog, error) {
	dir := w.s.file.Dir()
	file, name, err := dir.Temp(access.TempNew)
	if err != nil {
		return nil, err
	}
	spare := &spareLog{File: file, dir: dir, name: name}
	if err = w.s.file.KeepLog(file); err == nil {
		spare.written, err = dir.AllocateLog(file, wal.FileBytes(bytes))
	}
	if err != nil {
		spare.drop()
		return nil, err
	}
	return spare, nil
}

// drop removes the file unless it was used.
func (l *spareLog) drop() {
	if !l.used {
		l.Close()
		l.dir.Remove(l.name)
	}
}

// useSpareLog is createLog with a file that has its blocks. It replaces the log old, which the
// file does not need.
func (w fileWriter) useSpareLog(spare *spareLog, old *logFile, bytes int64) error {
	s := w.s
	f := &logFile{File: spare.File, db: s.file, name: s.logName(), onLoss: s.lostLog}
	info, err := f.Stat()
	if err != nil {
		return access.DiskError(err)
	}
	f.info = info
	if _, err := spare.dir.Names(f.name, old.info); err != nil { // then it can be the log of another store
		if err := w.freeName(); err != nil {
			return err
		}
	}
	if err := spare.dir.Rename(spare.name, f.name); err != nil {
		return kverr.Errorf(errTaken, "the larger log could not be renamed: %w", err)
	}
	spare.used = true
	opts := s.logOptions(f)
	opts.Allocate = func(int64) (bool, error) { return spare.written, nil }
	return w.beginLog(f, bytes, opts)
}

// busy reports whether writers have used much of the log, or of the memtable, since the last
// checkpoint began.
func (w fileWriter) busy(f *logFile) bool {
	used, size := f.log.Usage()
	held := w.s.visible.claimed(boltfile.Need{}).bytes
	return used > size/busyLog || held > w.s.opts.Parts.memtable(size)/busyLog
}
