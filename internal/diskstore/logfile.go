package diskstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// logFile is the file of a log, beside that of its store and under its lock.
type logFile struct {
	*os.File
	d    *Store
	name string
	info os.FileInfo
	size int64    // 0: it is being made
	log  *wal.Log // nil: it is only read
	lost atomic.Pointer[kverr.Error]
	left bool // lost, and the file does not need it any more; for who has Store.checkpoints
}

// Sync makes the log durable. It fails where the log, or the file that it is for,
// has lost its name: what is written then is written nowhere. That the file takes no
// commit any more is no reason: the next open has what is in the log.
func (f *logFile) Sync() error {
	if err := f.flush(); err != nil {
		return err
	}
	err := f.d.file.InPlace()
	if err == nil {
		err = f.inPlace()
	}
	if err != nil && !errors.Is(err, kverr.Replaced) {
		return kverr.Errorf(wal.ErrPassing, "the names of the store's files could not be looked at: %w", err)
	}
	return err
}

// flush makes durable what was written to the log, wherever that is.
func (f *logFile) flush() error { return access.DiskError(f.d.file.Dir().SyncLog(f.File)) }

// inPlace returns nil if the log has its name and its length, an error that is
// kverr.Replaced if it has not, and any other if nobody can tell. A log that is lost
// once is lost for good: then a checkpoint brings into the file what it had, and the
// file does not need it any more.
func (f *logFile) inPlace() error {
	if why := f.lost.Load(); why != nil {
		return why
	}
	var why error
	here, err := f.d.file.Dir().Names(f.name, f.info)
	switch {
	case errors.Is(err, kverr.Replaced):
		why = kverr.Errorf(kverr.Replaced, "the store's log %s was deleted, or another file is in its place; close the store and open it again", f.name)
	case err != nil:
		return err
	case here.Size() < f.size:
		why = kverr.Errorf(kverr.Replaced, "the store's log %s was cut short; close the store and open it again, and keep other programs, such as logrotate, from the log", f.name)
	default:
		return nil
	}
	if f.lost.CompareAndSwap(nil, why.(*kverr.Error)) && f.log != nil {
		f.d.opts.Logger.Error("kv store takes no writes any longer", "path", f.d.file.Path(), "error", why)
		time.AfterFunc(0, func() {
			f.d.plan.Lock()
			defer f.d.plan.Unlock()
			f.d.kick()
		})
	}
	return f.lost.Load()
}

// WriteAt gives a full disk its kind.
func (f *logFile) WriteAt(b []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(b, at)
	return n, access.DiskError(err)
}

// remove takes the log away, if it still is what has its name.
func (f *logFile) remove() error {
	dir := f.d.file.Dir()
	if _, err := dir.Names(f.name, f.info); err != nil {
		return nil
	}
	return dir.Remove(f.name)
}

func (d *Store) logOptions(f *logFile) wal.Options {
	return wal.Options{
		Interval: d.opts.Interval,
		Durable:  d.becameDurable,
		Flush:    f.flush,
		Synced: func(err error) {
			if err == nil {
				d.commits.Add(1)
			}
		},
	}
}

func (d *Store) logName() string { return d.file.Dir().Base() + wal.Suffix }

// writableNow reports why nothing can be written, if that is so. plan is locked.
func (d *Store) writableNow() error {
	if d.closed.Load() {
		return kverr.Closed
	}
	return d.file.Writable()
}

// errBusy is why there is no log yet where somebody writes to the file, there was no
// room for one just now, or it would not stay with the file.
var errBusy = errors.New("the file is being written")

// errTaken is why there is no log where its name cannot be freed.
var errTaken = errors.New("the name of the log is taken")

// noLog reports whether the file has to do without a log for now: somebody writes
// to it, there is no room, which this very call may make, or no log can be made
// beside it. It is written directly then, which costs more.
func noLog(err error) bool {
	return err == errBusy || errors.Is(err, errTaken) || errors.Is(err, kverr.Full) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENAMETOOLONG)
}

// startLog makes a log, and has the file say that it needs it. plan is locked.
func (d *Store) startLog() error {
	if err := d.writableNow(); err != nil {
		return err
	}
	if d.file.Mounted() || time.Since(d.noRoom) < fullPause {
		return errBusy
	}
	select {
	case d.checkpoints <- struct{}{}:
		defer d.unlock()
	default:
		return errBusy
	}
	err := d.makeLog()
	if errors.Is(err, kverr.Full) || errors.Is(err, errTaken) {
		d.noRoom = time.Now()
	}
	return err
}

func (d *Store) makeLog() error {
	dir, name := d.file.Dir(), d.logName()
	file, err := dir.Create(name)
	if errors.Is(err, fs.ErrExist) {
		if err = d.freeName(); err == nil {
			file, err = dir.Create(name)
		}
	}
	switch {
	case errors.Is(err, errTaken):
		return err
	case err != nil:
		return access.OpenError(err)
	}
	f := &logFile{File: file, d: d, name: name}
	if f.info, err = file.Stat(); err == nil {
		err = f.lock()
	}
	if err == nil {
		err = d.file.KeepLog(file)
	}
	if err != nil {
		file.Close()
		if f.info != nil {
			f.remove()
		}
		return access.DiskError(err)
	}
	log, err := wal.Create(f, d.opts.LogBytes, d.logOptions(f))
	if err == nil {
		err = dir.Sync()
	}
	if err == nil {
		ref := &boltfile.LogRef{ID: log.ID()}
		err = boltfile.DiskError(d.file.Update(func(t *boltfile.Tx) error { return t.SetLog(ref) }))
	}
	if err != nil {
		file.Close()
		if !errors.Is(err, kverr.CommitUnknown) && d.file.Err() == nil { // else the file may need it
			f.remove()
		}
		return access.DiskError(err)
	}
	// From here on the file needs the log, wherever the two are by now: nobody removes it.
	d.adopt(f, log)
	d.mendHeaders(&boltfile.LogRef{ID: log.ID()}) // the one before names no log; what the log gets is safe without this
	return nil
}

// adopt makes a log the disk's.
func (d *Store) adopt(f *logFile, log *wal.Log) {
	f.size = log.FileBytes()
	d.log, f.log = log, log
	d.logFile.Store(f)
	_, ring := log.Usage() // a file of a log that others made may be longer, and of any size
	d.direct = ring / 2
	d.most = bufferLimit(ring)
}

// remains says what a log is that has the name of the store's own.
type remains int

const (
	foreign remains = iota // another store may need it: its file was moved away after a crash, or deleted
	unmade                 // a process died while it made it,
	unused                 // before it wrote to it,
	done                   // or after it had closed the store
)

// freeName takes away what has the log's name. A log that this file knows to be over,
// and one that was never made, are removed. Any other is put aside, also where no record
// is in it: only the file that names a log can tell that it does not need it. What is
// not a log is not touched.
func (d *Store) freeName() error {
	dir, name := d.file.Dir(), d.logName()
	what, id, err := d.leftOver()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, kverr.Format): // no log, or one of a newer format
		return err
	case err != nil:
		return kverr.Errorf(errTaken, "a log that is left over could not be read: %w", err)
	case what == done || what == unmade:
		if err := dir.Remove(name); err != nil {
			return kverr.Errorf(errTaken, "a log that is left over could not be removed: %w", err)
		}
		return nil
	}
	aside := name + asideSuffix(id)
	if _, err := dir.Stat(aside); err == nil {
		return kverr.Errorf(kverr.InUse, "the store keeps its log in %s, but the log of a store that was moved or deleted is there, and one like it in %s; move it away", name, aside)
	} else if !access.Gone(err) {
		return err
	}
	err = dir.Rename(name, aside)
	if err == nil {
		err = dir.Sync() // else a power cut could leave that log without a name, and a new one in its place
	}
	if err != nil {
		return kverr.Errorf(errTaken, "the log of another store could not be put aside: %w", err)
	}
	d.opts.Logger.Warn("kv: a log lay in the place of the store's own, and has another name now; a file that was moved away without being closed needs it", "path", d.file.Path(), "log", aside)
	return nil
}

// asideSuffix is what the name of a log gets that is put aside.
func asideSuffix(id wal.ID) string { return fmt.Sprintf("-%x", id[:4]) }

// tidy frees the log's name when a store is opened that needs no log. The store is
// complete whatever comes of that: the first write tries again, and does without a log
// where the name stays taken.
func (d *Store) tidy() {
	err := d.freeName()
	if err != nil && !errors.Is(err, kverr.Format) && !errors.Is(err, kverr.InUse) { // these are for the first write to say
		d.opts.Logger.Warn("kv: a log that was left beside the store could not be removed; the store does not need it", "path", d.file.Path(), "error", err)
	}
}

// leftOver looks at the log that has the name of the store's own.
func (d *Store) leftOver() (what remains, id wal.ID, err error) {
	f, info, err := d.file.Dir().Open(d.logName(), os.O_RDONLY)
	if err != nil {
		return foreign, id, access.OpenError(err)
	}
	defer f.Close()
	id, err = wal.ReadID(f)
	switch {
	case errors.Is(err, kverr.Format):
		torn, err := unfinished(f, info.Size())
		if err == nil && !torn {
			err = kverr.Errorf(kverr.Format, "the store keeps its log in %s, but a file is there that is no log; move that away", d.logName())
		}
		return unmade, id, err
	case errors.Is(err, kverr.Corrupt):
		return foreign, id, nil
	case err != nil:
		return foreign, id, access.DiskError(err)
	}
	var closed wal.ID
	if err := d.file.View(func(t *boltfile.Tx) error { closed = t.ClosedLog(); return nil }); err != nil {
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

// unfinished reports whether a file may be a log that was being made: the ring is full
// of zeros, and the header, which comes last and which nothing names before it is
// durable, is not there or torn.
func unfinished(f *os.File, size int64) (bool, error) {
	if size > wal.HeaderBytes+wal.MaxBytes {
		return false, nil
	}
	b := make([]byte, 64<<10)
	for at := int64(0); at < size; {
		n, err := f.ReadAt(b[:min(int64(len(b)), size-at)], at)
		part := b[:n]
		if at == 0 && size > wal.HeaderBytes && n > tornHeader {
			for i := range wal.Magic {
				if part[i] != 0 && part[i] != wal.Magic[i] {
					return false, nil
				}
			}
			part = part[tornHeader:]
		}
		if bytes.Count(part, []byte{0}) != len(part) {
			return false, nil
		}
		if err != nil && err != io.EOF || n == 0 {
			return false, err
		}
		at += int64(n)
	}
	return true, nil
}

// tornHeader is more than the bytes of a log's header that are not zero.
const tornHeader = 64

// recover reads the log that the file needs, if it needs one.
func (d *Store) recover(ctx context.Context) error {
	var ref *boltfile.LogRef
	err := d.file.View(func(t *boltfile.Tx) error {
		ref, d.epoch = t.Log(), t.Epoch()
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case ref != nil:
		err = d.openLog(ctx, ref)
	case d.file.Torn():
		err = d.tornAtStart()
	case !d.file.ReadOnly():
		d.tidy()
	}
	if !d.file.Torn() {
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
// name a new log, which nothing was written to, and where the commit before is the one
// that everything acknowledged is in: see Tx.twin.
func (d *Store) tornAtStart() error {
	twin := false
	err := d.file.View(func(t *boltfile.Tx) error { twin = t.IsTwin(); return nil })
	if err != nil {
		return err
	}
	what, id, err := d.leftOver()
	if errors.Is(err, fs.ErrNotExist) {
		if !twin {
			return errors.New("there is none")
		}
		if d.file.ReadOnly() {
			return nil
		}
		return d.mendHeaders(nil)
	}
	if err == nil && what != unused && !(twin && what == done) {
		err = errors.New("it needs none")
	}
	if err != nil || d.file.ReadOnly() {
		return err
	}
	// The file names it again, as its last, so that it may be removed.
	err = boltfile.DiskError(d.file.Update(func(t *boltfile.Tx) error { return t.CloseLog(id) }))
	if err != nil && !errors.Is(err, kverr.Full) {
		return err
	}
	d.tidy()
	return nil
}

// mendHeaders makes one more commit, so that both headers of the file are whole and
// name the same place in the log: the one before may have named a place that is no
// longer in the log. A file that is full has to do without that.
func (d *Store) mendHeaders(ref *boltfile.LogRef) error {
	err := boltfile.DiskError(d.file.Update(func(t *boltfile.Tx) error { return t.SetLog(ref) }))
	if errors.Is(err, kverr.Full) {
		return nil
	}
	return err
}

// openLog opens and reads the log that the file needs.
func (d *Store) openLog(ctx context.Context, ref *boltfile.LogRef) error {
	f, err := d.findLog(ref)
	if err != nil {
		return err
	}
	if err := d.replay(ctx, f, ref); err != nil {
		f.Close()
		return kverr.Errorf(err, "the file's log %s: %w", f.name, err)
	}
	if d.file.ReadOnly() {
		return nil
	}
	if d.file.Mounted() {
		return d.dropLog()
	}
	return d.mendHeaders(&boltfile.LogRef{ID: ref.ID, Pos: d.filed})
}

// dropLog brings into the file what its log has, and does without a log from then on.
// Nothing else uses the store yet.
func (d *Store) dropLog() error {
	if err := d.checkpoint(true); err != nil {
		return err
	}
	d.mendHeaders(nil) // the one before names the log
	d.log.Close()
	f := d.logFile.Swap(nil)
	f.Close()
	d.log, d.visible, d.filed, d.direct = nil, 0, 0, d.opts.LogBytes/2
	d.removeLog(f)
	return nil
}

// removeLog removes a log that the file has named as its last.
func (d *Store) removeLog(f *logFile) {
	if err := f.remove(); err != nil { // it does no harm: the file does not name it
		d.opts.Logger.Warn("kv: the log of a store could not be removed; the store does not need it", "path", d.file.Path(), "log", f.name, "error", err)
	}
}

// findLog opens the log that the file needs: the one that has its name, or one that was
// put aside in the same folder when another store had the name.
func (d *Store) findLog(ref *boltfile.LogRef) (*logFile, error) {
	name := d.logName()
	f, err := d.openLogFile(name)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, err
	}
	if !missing {
		if id, err := wal.ReadID(f); err == nil && id == ref.ID {
			return f, nil
		}
	}
	aside, err := d.findAside(ref.ID)
	switch {
	case !missing && (err != nil || aside == ""):
		return f, nil // replay says what is wrong with it
	case err != nil:
		return nil, err
	case aside == "" && d.file.Mounted():
		return nil, kverr.Errorf(kverr.Corrupt, "the file lacks what is in its log, and the log %s is not here: the file is mounted by itself, and its log is where it was mounted from; mount the folder that holds both", name)
	case aside == "":
		return nil, kverr.Errorf(kverr.Corrupt, "the file lacks what is in its log, and there is no %s beside it: a store that was not closed in order is two files; bring back the log, or restore a backup", name)
	case !missing:
		f.Close()
	}
	if d.file.ReadOnly() {
		return d.openLogFile(aside)
	}
	if !missing {
		err = d.freeName()
	}
	if err == nil {
		err = d.file.Dir().Rename(aside, name) // replay syncs the folder
	}
	if err != nil {
		return nil, access.OpenError(err)
	}
	return d.openLogFile(name)
}

// findAside returns the name of the log with an id that was put aside, "" if there is none.
func (d *Store) findAside(id wal.ID) (name string, err error) {
	err = d.file.Dir().List(func(entry string) {
		if name != "" || !strings.HasSuffix(entry, wal.Suffix+asideSuffix(id)) {
			return
		}
		f, _, err := d.file.Dir().Open(entry, os.O_RDONLY)
		if err != nil {
			return // whoever needs it looks at its name
		}
		defer f.Close()
		if found, err := wal.ReadID(f); err == nil && found == id {
			name = entry
		}
	})
	return name, err
}

// openLogFile opens a log that exists.
func (d *Store) openLogFile(name string) (*logFile, error) {
	flag := os.O_RDWR
	if d.file.ReadOnly() {
		flag = os.O_RDONLY
	}
	file, info, err := d.file.Dir().Open(name, flag)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, boltfile.NoPermission(d.file.Dir(), err, name, "its log "+name)
	}
	f := &logFile{File: file, d: d, name: name, info: info, size: info.Size()}
	if d.file.ReadOnly() {
		return f, nil
	}
	if err := f.lock(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lock makes sure that no other store writes to the log: a copy of the file names the
// same log.
func (f *logFile) lock() error {
	if locked, err := access.TryLock(f.File); err != nil {
		return access.DiskError(err)
	} else if !locked {
		return kverr.Errorf(kverr.InUse, "the file's log %s is in use by another store: the file is a copy of that, made while it was open; close that store, or copy it with BackupFile", f.name)
	}
	return nil
}
