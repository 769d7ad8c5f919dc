package extlibs

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Backup writes a consistent copy of a store in a file to w while the store is in use.
// InitKVStore and Open accept the copy. It goes through a temporary file beside the
// store's file, so that a slow w does not make the store's file grow. Backup verifies the
// whole copy before it writes to w: a damaged store is ErrCorrupt. For a view, and a
// store that is not in a file, the error is errors.ErrUnsupported.
func (h *Handle) Backup(ctx context.Context, w io.Writer) error {
	if h.observer != nil {
		return observedErr(ctx, h, "backup", func(h *Handle) error { return h.Backup(ctx, w) })
	}
	b, ok := h.backend.(Backuper)
	if !ok || h.view {
		return inCall("backup", h.inStore("", h.noFile()))
	}
	began := time.Now()
	if err := b.Backup(ctx, w); err != nil {
		return inCall("backup", h.inStore("", err))
	}
	h.opts.logger.Info("kv: backed up a store", "store", h.name, "duration", time.Since(began))
	return nil
}

// BackupFile is Backup to a file at path. The file gets its name when it is complete and
// synced, so no failure leaves an incomplete file there. It replaces an existing file,
// unless a store has that file open, which is ErrInUse.
func (h *Handle) BackupFile(ctx context.Context, path string) error {
	if h.observer != nil {
		return observedErr(ctx, h, "backup", func(h *Handle) error { return h.BackupFile(ctx, path) })
	}
	b, ok := h.backend.(interface {
		backupFile(context.Context, access.Location) error
	})
	if !ok || h.view {
		return inCall("backup", h.inStore("", h.noFile()))
	}
	began := time.Now()
	loc, err := (*access.List)(nil).Locate(path)
	if err == nil {
		err = b.backupFile(ctx, loc)
	}
	if err != nil {
		return inCall("backup", h.inStore("", err))
	}
	h.opts.logger.Info("kv: backed up a store", "store", h.name, "path", loc.Path, "duration", time.Since(began))
	return nil
}

// Compact rewrites the file of a store without its unused pages; a file never shrinks
// otherwise. Reads and writes continue meanwhile. Compact replaces the file: its name
// stays, other hard links keep the old file. For a view, and a store that is not in a
// file, the error is errors.ErrUnsupported.
func (h *Handle) Compact(ctx context.Context) error {
	if h.observer != nil {
		return observedErr(ctx, h, "compact", func(h *Handle) error { return h.Compact(ctx) })
	}
	c, ok := h.backend.(Compacter)
	if !ok || h.view {
		return inCall("compact", h.inStore("", h.noFile()))
	}
	began := time.Now()
	if err := c.Compact(ctx); err != nil {
		return inCall("compact", h.inStore("", err))
	}
	h.opts.logger.Info("kv: compacted a store", "store", h.name, "duration", time.Since(began))
	return nil
}

// noFile returns the error of Backup, BackupFile and Compact for a store without a file.
func (h *Handle) noFile() error {
	if h.view {
		return kverr.Errorf(errors.ErrUnsupported, "a view has no file; call it on the store of the view")
	}
	return kverr.Errorf(errors.ErrUnsupported, "only a store in a file of this process can be backed up or compacted; use Export to copy others")
}
