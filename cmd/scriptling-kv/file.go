package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/cmd/scriptling-kv/internal/remote"
	"github.com/scriptling-kv/extlibs/cmd/scriptling-kv/internal/tempfolder"
	files "github.com/scriptling-kv/extlibs/internal/access"
	"github.com/spf13/cobra"
)

func fileCommands() []*cobra.Command {
	return []*cobra.Command{backupCommand(), restoreCommand(), compactCommand()}
}

func backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup STORE FILE",
		Short: "Copy the file of a store, verified and complete",
		Long: `Copies the file of a store. The copy is verified and synced, and gets its name when it is complete; FILE must
not exist. While a program has the store open, use --live, or Handle.BackupFile in the program.`,
		Example: `  scriptling-kv backup app.db app-2026-11-23.db
  scriptling-kv backup app.db app-2026-11-23.db --live`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if remote.Is(args[0]) && !wantsLive(cmd) {
				return withStore(cmd, args[0], reads, func(h *extlibs.Handle) error {
					return download(cmd, h, args[1])
				})
			}
			return copyFile(cmd, args)
		},
	}
	addLiveFlag(cmd)
	return cmd
}

// hasNoFile returns an error for a URL, which says what to use instead.
func hasNoFile(name string) error {
	if isURL(name) {
		return usageError("backup, restore and compact need a file; use export or move for a store on a server")
	}
	return nil
}

// copyFile copies the file of a store to a new file.
func copyFile(cmd *cobra.Command, args []string) error {
	if err := hasNoFile(args[0]); err != nil {
		return err
	}
	return withStore(cmd, args[0], copies, func(h *extlibs.Handle) error { return copyTo(cmd, h, args[1]) })
}

// isFreeForCopy returns an error if path cannot be the new file of a copy.
func isFreeForCopy(path string) error {
	if isURL(path) {
		return usageError("the copy must be a file; use move to copy to a server")
	}
	return isFreeForStore(path)
}

// copyTo copies a store to a new file. It never overwrites a file.
func copyTo(cmd *cobra.Command, h *extlibs.Handle, path string) error {
	if err := isFreeForCopy(path); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("the folder of %q: %w", path, err)
	}
	err := showGrowth(cmd, filepath.Dir(path), files.TempBackup, bytesOf(cmd, h), "copy", func() error { return h.BackupFile(cmd.Context(), path) })
	if err != nil {
		return err
	}
	return reportCopy(cmd, h, path)
}

// bytesOf returns the size of a store for a meter, -1 if it is unknown.
func bytesOf(cmd *cobra.Command, h *extlibs.Handle) int64 {
	if s, err := h.Stats(cmd.Context()); err == nil {
		return s.Bytes
	}
	return -1
}

// download copies a store of a running host, which sends a backup, to a new file. The file
// gets its name when it is complete, verified and synced.
func download(cmd *cobra.Command, h *extlibs.Handle, path string) (err error) {
	if err := isFreeForCopy(path); err != nil {
		return err
	}
	dir, err := tempfolder.Make(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("the folder of %q: %w", path, err)
	}
	defer func() { err = errors.Join(err, dir.Remove()) }()
	made := filepath.Join(dir.Path, filepath.Base(path))
	if err := downloadTo(cmd, h, made); err != nil {
		return err
	}
	if err := wholeFile(cmd, made); err != nil {
		return fmt.Errorf("the host sent an incomplete or damaged store: %w", shownAs(err, made, path))
	}
	info, err := os.Stat(made)
	if err != nil {
		return err
	}
	if err := publish(cmd.Context(), made, path, info); err != nil || !wantsJSON(cmd) {
		return err
	}
	return withStore(cmd, path, reads, func(h *extlibs.Handle) error { return reportCopy(cmd, h, path) })
}

func downloadTo(cmd *cobra.Command, h *extlibs.Handle, path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	bar := bytesMeter(cmd, bytesOf(cmd, h), "download")
	defer func() {
		err = errors.Join(err, f.Close())
		bar.end(err)
	}()
	return h.Backup(cmd.Context(), io.MultiWriter(f, bar))
}

// copied is the JSON output of backup and restore.
type copied struct {
	File  string `json:"file"`
	Keys  int64  `json:"keys"`
	Bytes int64  `json:"bytes"`
}

// reportCopy prints the result of backup and restore with --json. Otherwise they are silent.
func reportCopy(cmd *cobra.Command, h *extlibs.Handle, path string) error {
	if !wantsJSON(cmd) {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	keys, err := h.Count(cmd.Context(), "*")
	if err != nil {
		return err
	}
	return printJSON(cmd.OutOrStdout(), copied{path, int64(keys), info.Size()})
}

func restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore BACKUP STORE",
		Short: "Create a store from a backup",
		Long: `Verifies a backup and copies it to STORE, which must not exist: move a damaged file away first, together
with its log, STORE-log, if there is one. Delete neither.`,
		Example: `  mv app.db app-damaged.db && scriptling-kv restore app-2026-11-23.db app.db`,
		Args:    cobra.ExactArgs(2),
		RunE:    copyFile,
	}
}

func compactCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "compact STORE",
		Short:   "Shrink a file after deletes",
		Long:    "Rewrites the file of a store that no program has open, without its free pages, and writes the changes in its log to\nthe file. If the result would not be smaller, the file is not changed.",
		Example: `  scriptling-kv compact app.db`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var keys int64
			if err := hasNoFile(args[0]); err != nil {
				return err
			}
			before := fileBytes(args[0])
			err := withStore(cmd, args[0], rewrites, func(h *extlibs.Handle) error {
				s, err := h.Stats(cmd.Context())
				if err != nil {
					return err
				}
				err = showGrowth(cmd, filepath.Dir(args[0]), files.TempCompact, s.Bytes, "compact", func() error { return h.Compact(cmd.Context()) })
				if err != nil {
					return err
				}
				s, err = h.Stats(cmd.Context())
				keys = s.Keys
				return err
			})
			if err != nil {
				return err
			}
			info, err := os.Stat(args[0]) // the file alone: the store is closed, and has no log
			if err != nil {
				return err
			}
			return printResult(cmd, map[string]int64{"keys": keys, "bytes": info.Size()},
				fmt.Sprintf("%s, %d bytes%s", plural(keys, "key", "keys"), info.Size(), gain(before, info.Size())))
		},
	}
}

// fileBytes returns the size of a file, 0 if that is unknown.
func fileBytes(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// gain describes how much a compaction saved.
func gain(before, after int64) string {
	if after < before {
		return fmt.Sprintf(" (%d before)", before)
	}
	return " (no space to free)"
}
