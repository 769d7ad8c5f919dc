package boltfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/bbpage"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Damaged is a file that is read without bbolt, and without trusting its content: it opens
// files that Open refuses, and changes nothing. One goroutine uses it at a time.
type Damaged struct {
	// Progress, if not nil, is called with the number of bytes that Check has read since the
	// last call. Check reads a file several times: see CheckPasses.
	Progress func(bytes int64)

	// Gap, if not nil, is called for each fault among the records of the last commit, between
	// the visits of the records before and after it.
	Gap func(error)

	file   *os.File
	size   int64
	metas  bbpage.Metas
	last   bbpage.Meta // of the last commit; not valid: no meta page can be read
	before bbpage.Meta // of the commit before; not valid: unknown
	fault  error       // what is wrong with the meta pages
	orphan error       // why it is not a new store, if it is empty
	pages  bbpage.Source
}

// OpenDamaged opens a file for reading. The error is kverr.InUse if another process has it
// open for writing and does not close it within timeout.
func OpenDamaged(path string, timeout time.Duration) (_ *Damaged, err error) {
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		return nil, err
	}
	dir, err := loc.OpenDir(nil)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	f, info, err := dir.Open(dir.Base(), os.O_RDONLY)
	if err != nil {
		return nil, NoPermission(dir, err, dir.Base(), "the file")
	}
	d := &Damaged{file: f, size: info.Size(), orphan: emptyBesideLog(dir)}
	if locked, err := access.Lock(context.Background(), f, true, timeout); err != nil {
		return nil, errors.Join(DiskError(err), d.Close())
	} else if !locked {
		return nil, errors.Join(errInUse(Options{LockTimeout: timeout}), d.Close())
	}
	d.readMetas()
	return d, nil
}

// Size returns the size of the file.
func (d *Damaged) Size() int64 { return d.size }

// CheckPasses is the number of times that Check reads each page of an undamaged file; with a
// visit, it reads them once more.
const CheckPasses = 4

// tick notes that a page is read, and returns the error of ctx.
func (d *Damaged) tick(ctx context.Context) error {
	if d.Progress != nil {
		d.Progress(d.metas.PageSize)
	}
	return ctx.Err()
}

// Close closes the file and releases its lock.
func (d *Damaged) Close() error { return d.file.Close() }

func (d *Damaged) readMetas() {
	d.metas = bbpage.ReadMetas(d.file)
	d.pages = bbpage.FileSource(d.file, d.metas.PageSize)
	d.last, d.before = d.metas.Newest()
	_, _, d.fault = d.metas.Last(d.size)
	switch {
	case d.last.Valid && !d.before.Valid:
		d.fault = errors.New("one of the two meta pages is damaged: it may have been the newer one")
	case d.before.Tx+1 != d.last.Tx:
		d.before.Valid = false
	}
}

// Report is what Check found.
type Report struct {
	Bytes   int64
	Damage  []string // the first maxDamage faults; none: the file is whole
	More    int      // faults beyond those
	Commit  uint64   // the number of the last commit; 0: unknown
	Keys    int64    // that the file says it holds, including expired ones; -1: unknown
	Records int64    // whose checksums hold
	Bad     int64    // records whose checksums do not hold
	Stray   int64    // records whose checksums hold, on unreachable pages
	Log     bool     // the file needs its log
	Stale   bool     // stray records can be old: which pages are in use is unknown
	Back    Commit   // the commit that Repair goes back to
}

// Commit describes a commit whose pages are still in the file.
type Commit struct {
	Number uint64
	Whole  bool
	Why    string // why it is not whole
	Only   bool   // it has the only meta page that can be read, and may be the last one
	Keys   int64
}

// Lost returns how many records of the last commit cannot be read, if the file
// tells.
func (r *Report) Lost() (n int64, known bool) {
	if r.Keys < 0 || r.Stale {
		return 0, false
	}
	return max(0, r.Keys-r.Records-r.Stray), true
}

// Torn reports whether a damaged meta page is all that is wrong.
func (r *Report) Torn() bool { return len(r.Damage) == 1 && r.Back.Only && r.Back.Whole }

// Record is a record whose checksum holds. Its key and value are valid until the next
// one is visited.
type Record struct {
	Key, Value []byte
	Deadline   int64 // nanoseconds since 1970; 0: none
	Stray      bool  // found on an unreachable page
}

// maxDamage is how many faults a report quotes.
const maxDamage = 100

func (r *Report) add(err error) {
	if len(r.Damage) == maxDamage {
		r.More++
		return
	}
	text := strings.TrimPrefix(err.Error(), "the file is damaged: ")
	text, _, _ = strings.Cut(text, "; restore it")
	r.Damage = append(r.Damage, text)
}

// Check reads the whole file and reports on it. It calls visit, which can be nil, for
// each record that can be read: stray ones first, so that those of the last commit
// replace them. Check returns an error of visit or ctx, or one that says that the file is
// no kv file or has a newer format; damage is not an error. Its memory is limited to the
// largest record and a bit per page.
func (d *Damaged) Check(ctx context.Context, visit func(Record) error) (r Report, err error) {
	r = Report{Bytes: d.size, Keys: -1}
	if d.size == 0 {
		return r, d.empty(&r)
	}
	err = guard(func() error { return d.check(ctx, &r, visit) })
	return r, err
}

// empty reports on a file without a store in it.
func (d *Damaged) empty(r *Report) error {
	switch {
	case d.orphan == nil:
		r.Keys = 0
		return nil
	case !errors.Is(d.orphan, kverr.Corrupt): // the log cannot be read
		return d.orphan
	}
	r.add(d.orphan)
	r.Log = true
	r.Back.Why = "the file is empty"
	return nil
}

func (d *Damaged) check(ctx context.Context, r *Report, visit func(Record) error) error {
	strict := d.fault
	if d.fault != nil {
		r.add(d.fault)
	}
	if d.last.Valid {
		r.Commit = d.last.Tx
		found, err := d.verify(ctx, d.last)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && found.new && strict == nil {
			return d.empty(r)
		}
		if strict == nil {
			strict = err
		}
	}
	s := d.salvage(ctx, d.last, r.add)
	if d.before.Valid { // else the commit after this one can be on pages that this one calls free
		s.walk.Free = d.freePages(ctx, d.last, r.add)
	}
	if d.last.Valid {
		if err := s.commit(); err != nil {
			return err
		}
	}
	if !d.before.Valid {
		s.walk.Lost++
	}
	if v := s.numbers[string(metaFormat)]; len(v) == 1 && v[0] > formatVersion {
		return checkFormat(v)
	}
	r.Keys, r.Records, r.Bad = s.keys(), s.records, s.bad
	r.Log = s.numbers[string(metaLog)] != nil
	if s.walk.Lost > 0 {
		r.Stale = s.walk.Free == nil
		s.report, s.visit = nil, visit
		if err := s.strays(); err != nil {
			return err
		}
		r.Stray = s.records - r.Records
	}
	if r.Records+r.Stray == 0 && (!d.metas.Ours || errors.Is(strict, kverr.Format)) {
		return kverr.Errorf(kverr.Format, "the file is not a kv file; choose another path")
	}
	if strict != nil && len(r.Damage) == 0 {
		r.add(strict)
	}
	if err := d.back(ctx, r); err != nil {
		return err
	}
	if visit == nil || !d.last.Valid {
		return nil
	}
	again := d.salvage(ctx, d.last, d.Gap)
	again.only = bucketData
	again.visit = visit
	return again.commit()
}

// walk returns a walk through a commit, whose first fault ends it.
func (d *Damaged) walk(ctx context.Context, meta bbpage.Meta) *bbpage.Walk {
	return &bbpage.Walk{Source: d.pages, PageSize: uint64(d.metas.PageSize), Pages: meta.Pages, Set: bbpage.NewSet(), Tick: func() error { return d.tick(ctx) }}
}

// verify does what opening a small file does.
func (d *Damaged) verify(ctx context.Context, meta bbpage.Meta) (f found, err error) {
	if d.size < meta.Size() {
		return f, kverr.Errorf(kverr.Corrupt, "the file was truncated")
	}
	err = guard(func() (err error) {
		f, err = verify(d.walk(ctx, meta), meta)
		return err
	})
	return f, err
}

// freePages returns the pages that the last commit does not use, nil if they are
// unknown.
func (d *Damaged) freePages(ctx context.Context, meta bbpage.Meta, report func(error)) *bbpage.Set {
	w := d.walk(ctx, meta)
	err := guard(func() error { _, err := w.Freelist(meta); return err })
	if err != nil {
		report(err)
		return nil
	}
	return w.Set
}

// back verifies the commit that Repair would go back to.
func (d *Damaged) back(ctx context.Context, r *Report) error {
	meta := d.candidate()
	if !meta.Valid {
		r.Back.Why = "its meta page is damaged"
		return nil
	}
	r.Back = Commit{Number: meta.Tx, Only: !d.before.Valid}
	found, err := d.verify(ctx, meta)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		var why Report
		why.add(err)
		r.Back.Why = why.Damage[0]
	case found.new:
		r.Back.Why = "it is from before the store was made"
	default:
		s := d.salvage(ctx, meta, nil)
		if err := s.commit(); err != nil {
			return err
		}
		r.Back.Whole, r.Back.Keys = true, s.keys()
	}
	return nil
}

func (d *Damaged) candidate() bbpage.Meta {
	if d.before.Valid {
		return d.before
	}
	return d.last
}

// Repair creates a new file, at a path that must not exist, with the undamaged commit that
// Report.Back describes. The damaged file is not changed.
func (d *Damaged) Repair(ctx context.Context, path string) error {
	meta := d.candidate()
	if found, err := d.verify(ctx, meta); !meta.Valid || err != nil || found.new {
		return errors.Join(ctx.Err(), kverr.Errorf(kverr.Corrupt, "the previous commit is damaged too; salvage the readable records, or restore a backup"))
	}
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		return err
	}
	dir, err := loc.OpenDir(nil)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := storeName(loc, dir); err != nil {
		return err
	}
	if _, err := dir.Stat(dir.Base()); err == nil {
		return errExists
	}
	tmp, name, err := dir.Temp(access.TempBackup)
	if err != nil {
		return access.OpenError(err)
	}
	defer dir.Remove(name)
	defer tmp.Close()
	if like, err := d.file.Stat(); err != nil {
		return err
	} else if _, err := access.Keep(tmp, like); err != nil {
		return err
	}
	if err := d.copyCommit(ctx, tmp, meta); err != nil {
		return DiskError(err)
	}
	if _, err := verifyFile(ctx, tmp, math.MaxInt64); err != nil {
		return err
	}
	done, err := complete(dir, Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, tmp, nil)
	if err != nil {
		return err
	}
	defer done()
	if _, err = dir.Publish(tmp, name, access.MustNotExist); errors.Is(err, fs.ErrExist) {
		return errExists
	}
	return err
}

var errExists = kverr.Errorf(fs.ErrExist, "the new file exists; choose another name, or move it away first")

// copyCommit writes the pages of a commit, and two meta pages that both lead to it.
func (d *Damaged) copyCommit(ctx context.Context, w *os.File, meta bbpage.Meta) error {
	metas, err := bbpage.BothMetas(d.file, meta.Tx)
	if err != nil {
		return err
	}
	if _, err := w.Write(metas); err != nil {
		return err
	}
	rest := io.NewSectionReader(d.file, int64(len(metas)), meta.Size()-int64(len(metas)))
	_, err = io.Copy(&copyWriter{ctx: ctx, w: w}, rest)
	return err
}
