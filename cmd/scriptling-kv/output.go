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

// toOutput calls write with the command's output or, if path is not empty, with a new file.
// The file gets its name when it is complete and synced, so an interrupted or killed command
// leaves no file with that name.
func toOutput(cmd *cobra.Command, path string, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		return write(cmd.OutOrStdout())
	}
	if isURL(path) {
		return usageError("-o must be a file; use move to copy to a server")
	}
	if err := files.CheckStoreName(path); err != nil { // a later export or a store could remove it as its temporary file
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
		err = cmd.Context().Err() // it may have ended after write checked it
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

// isFreeForStore is isFree for the file of a store. A log with the name of its log belongs to
// a file that was moved away, which needs it.
func isFreeForStore(path string) error {
	if err := files.CheckStoreName(path); err != nil {
		return usageError("%q cannot be a store: %w", path, err)
	}
	if err := isFree(path); err != nil {
		return err
	}
	return isFree(path + wal.Suffix)
}

// printResult prints the result of a command as JSON or as text.
func printResult(cmd *cobra.Command, result any, text string) error {
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), result)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

func printJSON(w io.Writer, v any) error {
	b, err := jsonl.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", b)
	}
	return err
}

// printable escapes the control characters of each line of text.
func printable(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = kverr.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// warn prints a warning on standard error.
func warn(cmd *cobra.Command, format string, args ...any) {
	text := userinfo.ReplaceAllString(fmt.Sprintf(format, args...), "://***@")
	fmt.Fprintln(cmd.ErrOrStderr(), "scriptling-kv: warning:", printable(text))
}

// plural returns n and its noun, as in "1 key" and "2 keys".
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
