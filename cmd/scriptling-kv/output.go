package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// temporary is what the file of an export is called until it is complete.
const temporary = ".kv-export-*"

// toOutput gives write the command's output, or a new file. The file has its
// name once it is complete and synced: whatever ends the command before, also a
// kill, leaves none of that name.
func toOutput(cmd *cobra.Command, path string, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		return write(cmd.OutOrStdout())
	}
	if err := isFree(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), temporary)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // its other name stays
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return isFree(path)
	} else if err == nil {
		return nil
	}
	if err := isFree(path); err != nil { // a file system without links
		return err
	}
	return os.Rename(f.Name(), path)
}

func isFree(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%q exists; choose another name, or move it away first", path)
	}
	return nil
}
