package boltfile

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"github.com/scriptling-kv/extlibs/internal/bbpage"
	bolt "go.etcd.io/bbolt"
)

// Snapshot is a state of a store that is being copied: a transaction of bbolt, and the changes
// that the file did not contain then. bbolt does not reuse the pages of the transaction before
// it ends. Nothing else is locked meanwhile: writes, reads and compaction continue; compaction
// keeps the file that it replaces open until then.
//
// If bbolt has to map more of the file, which requires that all transactions end, the copy has
// to begin again.
type Snapshot struct {
	f     *File
	db    *bolt.DB
	tx    *bolt.Tx
	early bool
	meta  bbpage.Meta // of the transaction; later commits replace it in the file

	// Complete, if not nil, applies the changes that the file did not contain, in a
	// transaction of the copy.
	Complete func(*Tx) error
}

// errYield is the end of a copy that has to begin again.
var errYield = errors.New("the copy begins again")

// Snapshot begins a transaction to be copied. No Update may run.
func (f *File) Snapshot() (*Snapshot, error) {
	s := &Snapshot{f: f}
	f.copies.RLock()
	err := f.use(func(db *bolt.DB) (err error) {
		s.db = db
		low := f.pages.last.Load()
		if s.tx, s.early, err = f.begin(db, false); err != nil {
			return err
		}
		if _, err = f.pages.snapshot(db, s.tx, low); err == nil {
			s.meta, err = metaOf(db, s.tx)
		}
		return err
	})
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// end ends the transaction.
func (s *Snapshot) end() {
	if s.tx != nil {
		s.f.endRead(s.tx, s.early)
	}
	s.f.copies.RUnlock()
}

// fill writes a copy into tmp and makes it complete: see complete.
func (f *File) fill(ctx context.Context, tmp *os.File, begin func() (*Snapshot, error)) (done func(), err error) {
	for {
		s, err := begin()
		if err != nil {
			return nil, err
		}
		err = s.copyTo(ctx, tmp)
		s.end()
		switch err {
		case nil:
			return complete(f.dir, f.opts, tmp, s.Complete)
		case errYield:
		default:
			return nil, err
		}
	}
}

func (s *Snapshot) copyTo(ctx context.Context, tmp *os.File) error {
	_, err := tmp.Seek(0, io.SeekStart)
	if err == nil {
		err = tmp.Truncate(0)
	}
	if err != nil {
		return DiskError(err)
	}
	w := &copyWriter{ctx: ctx, yield: &s.f.yield, w: tmp}
	err = s.f.guarded(func() error {
		_, err := verifyTx(s.db, s.tx, s.meta, w.tick)
		if err == nil {
			_, err = s.tx.WriteTo(w)
		}
		if err == nil {
			err = arrangeMetas(tmp, uint64(s.tx.ID()))
		}
		return err
	})
	if w.ended != nil { // bbolt keeps only its text
		return w.ended
	}
	return DiskError(err)
}

// copyWriter ends a copy when its context does, or when it has to yield.
type copyWriter struct {
	ctx   context.Context
	yield *atomic.Bool // can be nil
	w     io.Writer
	ticks int
	ended error
}

// contextTicks is how many pages are verified between two checks of the context.
const contextTicks = 256

// tick is called for each page that is verified.
func (c *copyWriter) tick() error {
	if c.ticks++; c.ticks%contextTicks == 0 {
		return c.check()
	}
	return nil
}

func (c *copyWriter) check() error {
	switch {
	case c.ctx.Err() != nil:
		c.ended = c.ctx.Err()
	case c.yield != nil && c.yield.Load():
		c.ended = errYield
	}
	return c.ended
}

func (c *copyWriter) Write(p []byte) (int, error) {
	if err := c.check(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}
