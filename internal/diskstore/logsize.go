package diskstore

import (
	"context"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
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

// renewLog replaces the log by a larger one if the file has become large and writers use the
// log faster than checkpoints free it. Writers wait while a checkpoint writes the changes
// since the last one. After it the file needs no log until it names the new one, as after an
// orderly close: so a crash at any moment leaves what a crash in Close or at the first write
// can leave.
//
// The LSNs of the new log continue those of the old one, so what is visible never goes back,
// and a record of the old log is durable in the view of the new one.
func (w fileWriter) renewLog() {
	s, f := w.s, w.s.logFile.Load()
	if f == nil || f.log == nil || !w.busy(f) {
		return
	}
	bytes := s.wantedLog()
	if bytes < 2*f.size {
		return
	}
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
	s.removeLog(f)
	f.Close()
	// Calls that wait for the old log still use it: all its records are durable.
	err = w.createLog(bytes)
	if noLog(err) {
		err = w.createLog(s.opts.LogBytes)
	}
	if err != nil {
		s.logFile.CompareAndSwap(f, nil)
		s.opts.Logger.Warn("kv: a larger log could not be created; the next write tries again", "path", s.file.Path(), "error", err)
	}
}

// busy reports whether writers have used much of the log, or of the memtable, since the last
// checkpoint began.
func (w fileWriter) busy(f *logFile) bool {
	used, size := f.log.Usage()
	_, held := w.s.visible.claimed(boltfile.Need{})
	return used > size/busyLog || held > w.s.opts.Parts.memtable(size)/busyLog
}
