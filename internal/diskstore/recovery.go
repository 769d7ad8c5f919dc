package diskstore

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// recover replays the log that the file needs, if it needs one. Nothing else uses the store
// yet.
func (w fileWriter) recover(ctx context.Context) error {
	s := w.s
	var ref *boltfile.LogRef
	err := s.file.View(func(tx *boltfile.Tx) error {
		ref, s.visible.epoch = tx.Log(), tx.Epoch()
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case ref != nil:
		err = w.recoverLog(ctx, ref)
	case s.file.Torn():
		err = w.recoverTorn()
	case !s.file.ReadOnly():
		w.tidy()
	}
	if !s.file.Torn() {
		return err
	}
	if err != nil {
		return kverr.Errorf(kverr.Corrupt, "a meta page of the file is damaged, and no log completes the previous commit (%w); restore the file from a backup", err)
	}
	s.opts.Logger.Warn("kv: a meta page of the file was damaged, perhaps by a power cut during a commit; the log completed the previous commit", "path", s.file.Path())
	return nil
}

// recoverLog opens and replays the log that the file needs.
func (w fileWriter) recoverLog(ctx context.Context, ref *boltfile.LogRef) error {
	s := w.s
	f, err := w.findLog(ref)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := w.replay(ctx, f, ref); err != nil {
		f.Close()
		return kverr.Errorf(err, "the file's log %s: %w", f.name, err)
	}
	s.opts.Logger.Info("kv: replayed a log", "store", s.file.Path(), "bytes", int64(s.visible.lsn-ref.Pos), "duration", time.Since(began))
	switch {
	case s.file.ReadOnly():
		return nil
	case s.file.Mounted():
		return w.dropLog(f)
	}
	return w.alignMetaPages(&boltfile.LogRef{ID: ref.ID, Pos: s.visible.checkpoint})
}

// dropLog writes the log to the file, which has no log from then on.
func (w fileWriter) dropLog(f *logFile) error {
	if err := w.checkpoint(true); err != nil {
		return err
	}
	w.alignMetaPages(nil) // the meta page before names the log
	f.log.Close()
	f.Close()
	w.s.logFile.Store(nil)
	w.s.visible.lsn, w.s.visible.checkpoint = 0, 0
	w.s.removeLog(f)
	return nil
}

// recoverTorn recovers a file with a damaged meta page, which needed no log in the commit
// before. Nothing is missing if the lost commit did nothing but name a new log, which has
// no record, or if the commit before already has everything that was acknowledged: see
// Tx.Twin.
func (w fileWriter) recoverTorn() error {
	s := w.s
	twin := false
	err := s.file.View(func(tx *boltfile.Tx) error { twin = tx.IsTwin(); return nil })
	if err != nil {
		return err
	}
	what, id, err := w.leftOver()
	if errors.Is(err, fs.ErrNotExist) {
		if !twin {
			return errors.New("there is none")
		}
		if s.file.ReadOnly() {
			return nil
		}
		return w.alignMetaPages(nil)
	}
	if err == nil && what != unused && !(twin && what == done) {
		err = errors.New("it needs none")
	}
	if err != nil || s.file.ReadOnly() {
		return err
	}
	// The file names it again, as its last one, so that it can be removed.
	err = boltfile.DiskError(s.file.Update(func(tx *boltfile.Tx) error { return tx.CloseLog(id) }))
	if err != nil && !errors.Is(err, kverr.Full) {
		return err
	}
	w.tidy()
	return nil
}

// alignMetaPages makes both meta pages of the file valid and has them name the same LSN: the one
// before can name an LSN that is no longer in the log. ref is what the last commit named; if it
// did not, one more commit does, which a full file has to do without.
func (w fileWriter) alignMetaPages(ref *boltfile.LogRef) error {
	if found, err := w.s.file.AlignMetaPages(ref); found || err != nil {
		return err
	}
	err := boltfile.DiskError(w.s.file.Update(func(tx *boltfile.Tx) error { return tx.SetLog(ref) }))
	if errors.Is(err, kverr.Full) {
		return nil
	}
	return err
}
