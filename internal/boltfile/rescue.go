package boltfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Damaged is a file that is looked at without the engine, and without believing
// any of it: it opens whatever Open refuses, and changes nothing. One goroutine
// uses it at a time.
type Damaged struct {
	file     *os.File
	size     int64
	pageSize int64
	ours     bool     // there is a header, damaged or not
	last     metaPage // of the commit that counts; not valid: no header can be read
	previous metaPage // of the commit before; not valid: unknown
	headers  error    // what is wrong with the headers
	orphan   error    // why it is not a new store, if there is nothing in it
	pages    *boundedPages
}

// OpenDamaged opens a file for reading. It is kverr.InUse where a process writes
// it and does not end within timeout.
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
	if locked, err := lock(context.Background(), f, true, timeout); err != nil {
		return nil, errors.Join(DiskError(err), d.Close())
	} else if !locked {
		return nil, errors.Join(errInUse(Options{LockTimeout: timeout}), d.Close())
	}
	d.readHeaders()
	return d, nil
}

// Close gives the file up.
func (d *Damaged) Close() error { return d.file.Close() }

// readHeaders finds the headers that can be read. Where the first is damaged,
// the second is at the beginning of a page of some size.
func (d *Damaged) readHeaders() {
	d.pageSize = int64(os.Getpagesize())
	first, ours := readMeta(d.file, 0)
	second, alsoOurs := metaPage{}, false
	if first.valid {
		d.pageSize = first.pageSize
		second, alsoOurs = readMeta(d.file, d.pageSize)
		second.valid = second.valid && second.pageSize == first.pageSize
	} else {
		_, alsoOurs = readMeta(d.file, d.pageSize)
		for size := int64(minPageSize); size <= maxPageSize && !second.valid; size *= 2 {
			if m, _ := readMeta(d.file, size); m.valid && m.pageSize == size {
				second, alsoOurs, d.pageSize = m, true, size
			}
		}
	}
	d.ours = ours || alsoOurs
	d.last, d.previous = first, second
	if !first.valid || second.valid && second.tx > first.tx {
		d.last, d.previous = second, first
	}
	switch {
	case !first.valid && !second.valid:
		d.headers = errors.New("both headers are damaged")
	case !d.previous.valid:
		d.headers = errors.New("one of the two headers is damaged: it may have been the newer one")
	case d.previous.tx+1 != d.last.tx:
		d.headers = errors.New("the headers do not belong together")
		d.previous.valid = false
	case d.size < int64(d.last.pages)*d.pageSize:
		d.headers = fmt.Errorf("the file has been cut short: %d bytes of at least %d", d.size, int64(d.last.pages)*d.pageSize)
	}
}

// Report is what a look at a whole file brought to light.
type Report struct {
	Bytes   int64
	Damage  []string // the first maxDamage findings; none: the file is whole
	More    int      // findings beyond those
	Commit  uint64   // the number of the last commit; 0: unknown
	Keys    int64    // that the file says it holds, expired ones too; -1: unknown
	Records int64    // whose checksums hold
	Bad     int64    // records that are there, but damaged
	Stray   int64    // records whose checksums hold, on pages that nothing leads to any more
	Log     bool     // the file lacks what is in its log
	Stale   bool     // stray records may be old: nobody knows which pages are in use
	Back    Commit   // the commit that Repair goes back to
}

// Commit is a state of the file that is still in it.
type Commit struct {
	Number uint64
	Whole  bool
	Why    string // why it is not whole
	Only   bool   // it has the only header that can be read, and may be the last one
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

// Torn reports whether a damaged header is all that is wrong.
func (r *Report) Torn() bool { return len(r.Damage) == 1 && r.Back.Only && r.Back.Whole }

// Record is a record whose checksum holds. Its key and value are good until the
// next one.
type Record struct {
	Key, Value []byte
	Deadline   int64 // nanoseconds since 1970; 0: none
	Stray      bool  // found on a page that nothing leads to any more
}

// maxDamage is how many findings a report quotes.
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

// Look reads the whole file and reports on it. It calls visit, which may be nil,
// for each record that can be read: stray ones first, so that what the last
// commit leads to has the last word. An error is visit's, that of ctx, or of a
// file that is no kv file or has a newer format; damage is none. Memory is
// bounded by the largest record and a bit per page.
func (d *Damaged) Look(ctx context.Context, visit func(Record) error) (r Report, err error) {
	r = Report{Bytes: d.size, Keys: -1}
	if d.size == 0 {
		return r, d.empty(&r)
	}
	err = guard(func() error { return d.look(ctx, &r, visit) })
	return r, err
}

// empty reports on a file without a store in it.
func (d *Damaged) empty(r *Report) error {
	switch {
	case d.orphan == nil:
		r.Keys = 0
		return nil
	case !errors.Is(d.orphan, kverr.Corrupt): // nobody knows what the log is
		return d.orphan
	}
	r.add(d.orphan)
	r.Log = true
	r.Back.Why = "the file is empty"
	return nil
}

func (d *Damaged) look(ctx context.Context, r *Report, visit func(Record) error) error {
	strict := d.headers
	if d.headers != nil {
		r.add(d.headers)
	}
	if d.last.valid {
		r.Commit = d.last.tx
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
	s := d.surveyor(ctx, d.last, r.add)
	if d.previous.valid { // else the commit after this one may be on pages that this one calls free
		s.free = d.freePages(ctx, d.last, r.add)
	}
	if d.last.valid {
		s.commit()
	}
	if !d.previous.valid {
		s.cut++
	}
	if err := s.end(); err != nil {
		return err
	}
	if err := s.newer(); err != nil {
		return err
	}
	r.Keys, r.Records, r.Bad = s.keys(), s.records, s.bad
	r.Log = s.numbers[string(metaLog)] != nil
	if s.cut > 0 {
		r.Stale = s.free == nil
		s.report = nil
		s.visit = visit
		s.scan()
		if err := s.end(); err != nil {
			return err
		}
		r.Stray = s.records - r.Records
	}
	if r.Records+r.Stray == 0 && (!d.ours || errors.Is(strict, kverr.Format)) {
		return kverr.Errorf(kverr.Format, "the file is not a kv file; choose another path")
	}
	if strict != nil && len(r.Damage) == 0 {
		r.add(strict)
	}
	if err := d.back(ctx, r); err != nil {
		return err
	}
	if visit == nil || !d.last.valid {
		return nil
	}
	again := d.surveyor(ctx, d.last, nil)
	again.visit = visit
	again.commit()
	return again.end()
}

// verify is what opening a small file does, with all leaves.
func (d *Damaged) verify(ctx context.Context, meta metaPage) (f found, err error) {
	if d.size < int64(meta.pages)*meta.pageSize {
		return f, kverr.Errorf(kverr.Corrupt, "the file has been cut short")
	}
	err = guard(func() (err error) {
		f, err = verify(d.source(ctx), meta, true)
		return err
	})
	return f, err
}

// freePages returns the pages that the last commit does not use, nil if nobody
// knows.
func (d *Damaged) freePages(ctx context.Context, meta metaPage, report func(error)) *pageSet {
	if !meta.valid {
		return nil
	}
	v := &verifier{pages: d.source(ctx), meta: meta, set: newPageSet()}
	err := guard(func() error {
		if err := v.claim(0, 2); err != nil {
			return err
		}
		_, err := v.freelist()
		return err
	})
	if err != nil {
		report(err)
		return nil
	}
	return v.set
}

// back looks at the commit that Repair would go back to.
func (d *Damaged) back(ctx context.Context, r *Report) error {
	meta := d.candidate()
	if !meta.valid {
		r.Back.Why = "its header is damaged"
		return nil
	}
	r.Back = Commit{Number: meta.tx, Only: !d.previous.valid}
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
		s := d.surveyor(ctx, meta, nil)
		s.commit()
		r.Back.Whole, r.Back.Keys = true, s.keys()
		return s.end()
	}
	return nil
}

func (d *Damaged) candidate() metaPage {
	if d.previous.valid {
		return d.previous
	}
	return d.last
}

// Repair makes a new file, at a path that nothing has, of the commit that a
// report's Back says is whole. The file itself is not touched.
func (d *Damaged) Repair(ctx context.Context, path string) error {
	meta := d.candidate()
	if found, err := d.verify(ctx, meta); !meta.valid || err != nil || found.new {
		return errors.Join(ctx.Err(), kverr.Errorf(kverr.Corrupt, "the commit before the damage is not whole either; salvage what can be read, or restore a backup"))
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
	if err := dir.SyncFile(tmp); err != nil {
		return DiskError(err)
	}
	err = dir.Link(name, dir.Base())
	if err != nil && noLinks(err) {
		err = fs.ErrExist
		if _, taken := dir.Stat(dir.Base()); errors.Is(taken, fs.ErrNotExist) {
			err = dir.Rename(name, dir.Base())
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return errExists
	}
	if err != nil {
		return DiskError(err)
	}
	return dir.Sync()
}

var errExists = kverr.Errorf(fs.ErrExist, "the new file exists; choose another name, or move it away first")

// copyCommit writes the pages of a commit, behind headers that both name it.
func (d *Damaged) copyCommit(ctx context.Context, w *os.File, meta metaPage) error {
	raw := make([]byte, metaBytes)
	for _, at := range []int64{0, d.pageSize} {
		if m, _ := readMeta(d.file, at); m.valid && m.tx == meta.tx {
			if _, err := d.file.ReadAt(raw, at+pageHeaderBytes); err != nil {
				return readError(err)
			}
		}
	}
	headers := bothHeaders(raw, meta.tx, d.pageSize)
	if _, err := w.Write(headers); err != nil {
		return err
	}
	rest := io.NewSectionReader(d.file, 2*d.pageSize, int64(meta.pages-2)*d.pageSize)
	_, err := io.Copy(&copyWriter{ctx: ctx, w: w}, rest)
	return err
}
