package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/cmd/scriptling-kv/internal/livecopy"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/spf13/cobra"
)

// liveFlag is the flag of the commands that can read a file which a program has open.
const liveFlag = "live"

func addLiveFlag(cmd *cobra.Command) {
	cmd.Flags().Bool(liveFlag, false, "read a verified copy of a file that a program has open; standard error shows the moment of the copy")
}

func wantsLive(cmd *cobra.Command) bool {
	v, err := cmd.Flags().GetBool(liveFlag)
	return v && err == nil
}

// momentFormat shows the moment of a copy.
const momentFormat = "2006-01-02 15:04:05.000 -07:00"

// withLive runs fn on a verified copy of a file that a program can have open. Where the system
// permits it, the copy has been unlinked by then, so it disappears however the command ends.
func withLive(cmd *cobra.Command, name string, opts []extlibs.Option, fn func(*extlibs.Registry, *extlibs.Handle) error) (err error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return noFile(name)
	}
	if err != nil {
		return err
	}
	r := extlibs.NewRegistry(opts...)
	defer func() { err = errors.Join(err, r.Close()) }()
	var h *extlibs.Handle
	verify := func(path string) (err error) {
		defer func() { err = shownAs(err, path, name) }()
		if err := wholeFile(cmd, path); err != nil {
			return err
		}
		h, err = r.Open(cmd.Context(), path)
		return err
	}
	bar := bytesMeter(cmd, info.Size(), "copy")
	c, err := livecopy.Make(cmd.Context(), name, bar.add, verify, isDamage)
	bar.end(err)
	if err != nil {
		return err
	}
	if removed := c.Remove(); removed != nil { // the system cannot unlink open files
		defer func() { err = errors.Join(err, r.Close(), c.Remove()) }()
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s as of %s\n", kverr.Printable(name), c.Moment.Format(momentFormat))
	return shownAs(fn(r, h), c.Path, name)
}

// wholeFile reads and verifies a copied file completely.
func wholeFile(cmd *cobra.Command, path string) error {
	d, err := boltfile.OpenDamaged(path, inUseTimeout)
	if err != nil {
		return err
	}
	defer d.Close() // it was only read
	r, err := d.Check(cmd.Context(), nil)
	if err == nil && len(r.Damage) > 0 {
		err = kverr.Errorf(extlibs.ErrCorrupt, "%q: %s", path, r.Damage[0])
	}
	return err
}

// isDamage reports whether an error can come from a copy that was torn.
func isDamage(err error) bool {
	return errors.Is(err, extlibs.ErrCorrupt) || errors.Is(err, extlibs.ErrFormat)
}

// shown is an error whose text has the name of the user's file in place of its copy's.
type shown struct {
	error
	copied, name string
}

func shownAs(err error, copied, name string) error {
	if err == nil || copied == "" {
		return err
	}
	return &shown{err, copied, name}
}

func (s *shown) Error() string {
	text := strings.ReplaceAll(s.error.Error(), s.copied, s.name)
	if dir := filepath.Dir(s.copied); filepath.IsAbs(dir) {
		text = strings.ReplaceAll(text, dir+string(filepath.Separator), "")
	}
	return text
}

func (s *shown) Unwrap() error { return s.error }
