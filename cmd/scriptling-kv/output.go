package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	files "github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
	"github.com/spf13/cobra"
)

// toOutput gives write the command's output, or a new file. The file has its
// name once it is complete and synced: whatever ends the command before, also a
// kill, leaves none of that name.
func toOutput(cmd *cobra.Command, path string, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		return write(cmd.OutOrStdout())
	}
	if isURL(path) {
		return usageError("-o takes a file; move copies to a server")
	}
	if err := files.CheckStoreName(path); err != nil { // a later export, or a store, would take it for its own
		return usageError("%q cannot be the output: %w", path, err)
	}
	if err := isFree(path); err != nil {
		return err
	}
	loc, err := (*files.List)(nil).Locate(path)
	if err != nil {
		return err
	}
	dir, err := loc.OpenDir(nil)
	if err != nil {
		return err
	}
	defer dir.Close()
	dir.RemoveLeftovers(nil)
	f, name, err := dir.Temp(files.TempExport)
	if err != nil {
		return files.OpenError(err)
	}
	defer dir.Remove(name)
	defer f.Close()
	err = write(f)
	if err == nil {
		err = cmd.Context().Err() // write can have looked at it before it ended
	}
	if err != nil {
		return err
	}
	named, err := dir.Publish(f, name, files.MustNotExist)
	if errors.Is(err, fs.ErrExist) && !named {
		return isFree(path)
	}
	return err
}

// isFreeForStore is isFree for the file of a store. The log that a crash left
// beside it belongs to a file that was moved away, which needs it.
func isFreeForStore(path string) error {
	if err := files.CheckStoreName(path); err != nil {
		return usageError("%q cannot be a store: %w", path, err)
	}
	if err := isFree(path); err != nil {
		return err
	}
	return isFree(path + wal.Suffix)
}

// printResult writes what a command did: as JSON, or as text.
func printResult(cmd *cobra.Command, result any, text string) error {
	if wantsJSON(cmd) {
		return printJSON(cmd, result)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

func printJSON(cmd *cobra.Command, v any) error {
	b, err := jsonl.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", b)
	}
	return err
}

// printable is a text of several lines that a terminal shows as it is written.
func printable(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = kverr.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// warn tells the user something that does not make the command fail.
func warn(cmd *cobra.Command, format string, args ...any) {
	text := userinfo.ReplaceAllString(fmt.Sprintf(format, args...), "://***@")
	fmt.Fprintln(cmd.ErrOrStderr(), "scriptling-kv: warning:", printable(text))
}

// plural is n with the word that fits it.
func plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func isFree(path string) error {
	if exists(path) {
		return fmt.Errorf("%q exists; choose another name, or move it away first", path)
	}
	return nil
}
