package extlibs

import (
	"context"
	"errors"
	"io"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Backup writes a consistent copy of a store in a file to w, while the store is
// in use. The copy is a file that InitKVStore and Open take. It goes through a
// temporary file beside the store's own, so that a slow w does not make that one
// grow. All of the copy is checked before w gets any of it: Backup of a damaged
// store is ErrCorrupt. A store that is not in a file, and a view, is
// errors.ErrUnsupported.
func (h *Handle) Backup(ctx context.Context, w io.Writer) error {
	b, ok := h.backend.(Backuper)
	if !ok || h.view {
		return inCall("backup", h.inStore("", h.noFile()))
	}
	if err := b.Backup(ctx, w); err != nil {
		return inCall("backup", h.inStore("", err))
	}
	return nil
}

// BackupFile is Backup into a file at path. The file gets its name when it is
// complete and synced, so that it is there as a whole or not at all, whatever
// fails. A file that was there is replaced, unless a store is open in it: that is
// ErrInUse.
func (h *Handle) BackupFile(ctx context.Context, path string) error {
	b, ok := h.backend.(interface {
		backupFile(context.Context, access.Location) error
	})
	if !ok || h.view {
		return inCall("backup", h.inStore("", h.noFile()))
	}
	loc, err := (*access.List)(nil).Locate(path)
	if err == nil {
		err = b.backupFile(ctx, loc)
	}
	if err != nil {
		return inCall("backup", h.inStore("", err))
	}
	return nil
}

// Compact rewrites the file of a store without its unused pages, because a file
// never shrinks by itself. The store stays open for reads and writes. The
// file is replaced: its name stays, other hard links keep the old one. A store
// that is not in a file, and a view, is errors.ErrUnsupported.
func (h *Handle) Compact(ctx context.Context) error {
	c, ok := h.backend.(Compacter)
	if !ok || h.view {
		return inCall("compact", h.inStore("", h.noFile()))
	}
	if err := c.Compact(ctx); err != nil {
		return inCall("compact", h.inStore("", err))
	}
	return nil
}

// noFile says why there is nothing to copy or to compact.
func (h *Handle) noFile() error {
	if h.view {
		return kverr.Errorf(errors.ErrUnsupported, "a view is a part of a store and has no file of its own; call it on the store that the view is of")
	}
	return kverr.Errorf(errors.ErrUnsupported, "it is not in a file of this process, so there is nothing to copy or to compact")
}
