package boltfile

import (
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// AlignMetaPages makes both meta pages of the file lead to the last commit if that names the log
// ref or, without one, proves that the file needs none: see Tx.Twin. Otherwise found is false. It
// writes one meta page, the one that a commit without changes would write, and syncs it. If that
// fails, the last commit stays, and the file takes no more writes. Only the holder of the right to
// write to the file may call it.
func (f *File) AlignMetaPages(ref *LogRef) (found bool, err error) {
	err = f.use(func(db *bolt.DB) error {
		if err := f.writable(); err != nil {
			return err
		}
		m, err := f.nextMeta(db, ref)
		if found = m.page != nil; !found || err != nil {
			return err
		}
		refused, err := f.writeMeta(m)
		if err == nil {
			err = f.dir.SyncMetaPage(f.file.Load())
		}
		if err != nil && !refused { // the older page can be damaged, or can reappear after a crash
			f.refuse(kverr.Errorf(kverr.Unavailable, "the disk failed after a commit, so the store accepts no more writes; close it and open it again: %w", err).(*kverr.Error))
		}
		return err
	})
	return found, err
}

// nextMeta is the meta page that AlignMetaPages writes.
type nextMeta struct {
	page  []byte // nil: none
	at    int64
	base  *roots // of the last commit
	roots roots  // as of this page
}

// nextMeta returns the page for a last commit that leads to ref.
func (f *File) nextMeta(db *bolt.DB, ref *LogRef) (m nextMeta, err error) {
	low := f.pages.last.Load()
	err = f.view(db, func(tx *bolt.Tx) error {
		s, err := f.pages.snapshot(db, tx, low)
		if err != nil || !s.leadsTo(ref) {
			return err
		}
		m.page, m.at, _ = s.NextMeta(s.tx)
		m.base, m.roots = s.roots, *s.roots
		m.roots.tx++
		return nil
	})
	return m, err
}

// leadsTo reports whether a commit names the log ref or, if that is nil, is the first one that
// left the file without a log.
func (r *roots) leadsTo(ref *LogRef) bool {
	if ref == nil || r.log == nil {
		return r.log == nil && ref == nil && r.twin == r.tx
	}
	return *r.log == *ref
}

// writeMeta writes a meta page. No transaction begins meanwhile: it could see a part of the page,
// or a commit that is not known yet.
func (f *File) writeMeta(m nextMeta) (refused bool, err error) {
	f.begins.Lock()
	defer f.begins.Unlock()
	f.pages.next.Store(m.roots.tx) // from here on the page before says nothing: see metaNames
	if refused, err = f.dir.WriteMetaPage(f.file.Load(), m.page, m.at); err != nil {
		f.pages.base.Store(m.base) // what the engine shows can be this page already
		return refused, err
	}
	f.pages.roots.Store(&m.roots)
	f.pages.last.Store(m.roots.tx)
	return false, nil
}
