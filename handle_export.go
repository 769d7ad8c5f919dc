package extlibs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"

	"github.com/scriptling-kv/extlibs/internal/jsonl"
)

// ExportOption is an option of Handle.Export.
type ExportOption func(*exportOptions)

type exportOptions struct {
	list     ListOptions
	progress func(entries int)
}

// ExportOnly selects the keys that Export writes.
func ExportOnly(o ListOptions) ExportOption { return func(e *exportOptions) { e.list = o } }

// ExportProgress makes Export call fn after each page with the number of its entries, on
// the goroutine of Export and outside all locks.
func ExportProgress(fn func(entries int)) ExportOption {
	return func(e *exportOptions) { e.progress = fn }
}

// exportBuffer is the number of bytes that Export collects before it writes.
const exportBuffer = 64 << 10

// Export writes the entries of a store to w in order of their keys, as JSON Lines: one entry
// per line, with the type of its value and its remaining time. Import and the command
// scriptling-kv read this format. It works on every store, in memory, in a file or on a
// server, and on a view, whose keys are exported without its prefix.
//
//	{"key":"session:abc","value":{"user":"bob"},"ttl":3599.5}
//
// The store can be in use meanwhile: each page of keys shows one moment, and a key that
// exists during the whole export is exported exactly once. Handle.Backup copies a store in a
// file as of one moment.
//
// Export returns the number of entries that it wrote, even if it fails; w then contains an
// incomplete export. It does not close w. If a value is damaged, the error is ErrCorrupt and
// names the key.
func (h *Handle) Export(ctx context.Context, w io.Writer, opts ...ExportOption) (entries int, err error) {
	if h.observer != nil {
		return observed(ctx, h, "export", func(h *Handle) (int, error) { return h.Export(ctx, w, opts...) })
	}
	var o exportOptions
	for _, set := range opts {
		set(&o)
	}
	began := time.Now()
	s, err := o.list.compile()
	if err == nil {
		entries, err = h.export(ctx, w, s, o.progress)
	}
	if err != nil {
		return entries, inCall("export", err)
	}
	h.opts.logger.Info("kv: exported a store", "store", h.name, "entries", entries, "duration", time.Since(began))
	return entries, nil
}

func (h *Handle) export(ctx context.Context, w io.Writer, s selection, progress func(int)) (entries int, err error) {
	out := bufio.NewWriterSize(w, exportBuffer)
	var line []byte
	for page, err := range h.pages(ctx, s, NeedAll) {
		if err != nil {
			return entries, errors.Join(err, out.Flush())
		}
		for _, e := range page.Entries {
			if line, err = jsonl.Append(line[:0], jsonl.Entry{Key: e.Key, Value: e.Value.data, TTL: e.TTL}); err != nil {
				return entries, errors.Join(h.inStore(e.Key, err), out.Flush())
			}
			if _, err := out.Write(line); err != nil {
				return entries, err
			}
			entries++
		}
		if progress != nil {
			progress(len(page.Entries))
		}
	}
	return entries, out.Flush()
}
