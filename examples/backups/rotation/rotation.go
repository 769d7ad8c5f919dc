// Package rotation keeps the newest backups of a store in a folder. It works on every
// store, in memory, in a file or on a server, because it uses Handle.Export and
// Handle.Import. Copy it to your host and change it.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// Names of finished backups sort by age. A temporary file has the suffix of neither.
const (
	prefix = "backup-"
	stamp  = "20060102T150405.000Z"
	suffix = ".jsonl"

	temporary = ".backup-*.tmp"
)

// Folder keeps the backups of one store. Only one process at a time can use a folder; in
// that process it is safe for concurrent use.
type Folder struct {
	path string
	keep int
	mu   sync.Mutex
}

// New returns the folder at path, which it creates, for the newest keep backups.
func New(path string, keep int) (*Folder, error) {
	if keep < 1 {
		return nil, fmt.Errorf("keep is %d; keep at least one backup", keep)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return &Folder{path: path, keep: keep}, nil
}

// Backup writes a backup of the store, then removes the oldest ones beyond the limit. The
// file gets its name when it is complete and synced; if Backup returns a path and an
// error, the backup is complete and an old one could not be removed.
func (f *Folder) Backup(ctx context.Context, store *extlibs.Handle) (path string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.removeTemporary(); err != nil { // of a process that was killed
		return "", err
	}
	old, err := f.list()
	if err != nil {
		return "", err
	}
	written, err := f.export(ctx, store)
	if err != nil {
		return "", err
	}
	path = filepath.Join(f.path, nameAfter(old, time.Now()))
	if err := os.Rename(written, path); err != nil {
		return "", errors.Join(err, os.Remove(written))
	}
	if err := syncFolder(f.path); err != nil {
		return "", err
	}
	for ; len(old) >= f.keep; old = old[1:] {
		err = errors.Join(err, os.Remove(old[0]))
	}
	return path, err
}

// export writes a temporary file, and removes it if that fails.
func (f *Folder) export(ctx context.Context, store *extlibs.Handle) (path string, err error) {
	file, err := os.CreateTemp(f.path, temporary) // only its user can read it
	if err != nil {
		return "", err
	}
	_, err = store.Export(ctx, file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// nameAfter returns the name of a backup that sorts after the existing ones, also if the
// clock was set back.
func nameAfter(old []string, now time.Time) string {
	now = now.UTC().Truncate(time.Millisecond)
	if len(old) > 0 {
		if last, ok := timeOf(old[len(old)-1]); ok && !now.After(last) {
			now = last.Add(time.Millisecond)
		}
	}
	return prefix + now.Format(stamp) + suffix
}

func timeOf(path string) (time.Time, bool) {
	name, begins := strings.CutPrefix(filepath.Base(path), prefix)
	name, ends := strings.CutSuffix(name, suffix)
	at, err := time.Parse(stamp, name)
	return at, begins && ends && err == nil
}

// List returns the paths of the complete backups, the newest last.
func (f *Folder) List() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list()
}

func (f *Folder) list() ([]string, error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if _, ok := timeOf(e.Name()); ok && e.Type().IsRegular() {
			paths = append(paths, filepath.Join(f.path, e.Name()))
		}
	}
	slices.Sort(paths)
	return paths, nil
}

func (f *Folder) removeTemporary() error {
	entries, err := os.ReadDir(f.path)
	for _, e := range entries {
		if ours, _ := filepath.Match(temporary, e.Name()); ours {
			err = errors.Join(err, os.Remove(filepath.Join(f.path, e.Name())))
		}
	}
	return err
}

// Every makes a backup in each period until ctx ends, and logs failed backups. A backup that
// takes longer than the period delays the next one.
func (f *Folder) Every(ctx context.Context, period time.Duration, store *extlibs.Handle, logger *slog.Logger) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := f.Backup(ctx, store); err != nil && ctx.Err() == nil {
			logger.Error("backup failed", "store", store.Name(), "error", err)
		}
	}
}

// Restore stores the entries of a backup in an empty store, each with the time that it
// had left when the backup was made, and returns their number. If it fails, the store has
// a part of them: clear it before you try again.
func Restore(ctx context.Context, store *extlibs.Handle, path string) (entries int, err error) {
	n, err := store.Count(ctx, "")
	if err != nil {
		return 0, err
	}
	if n > 0 {
		return 0, fmt.Errorf("the store has %d keys, which a restore would mix with those of the backup; restore to an empty store", n)
	}
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return store.Import(ctx, file)
}
