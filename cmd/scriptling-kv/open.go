package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/cmd/scriptling-kv/internal/pagedfile"
	"github.com/scriptling-kv/extlibs/cmd/scriptling-kv/internal/remote"
	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/spf13/cobra"
)

// access is what a command does with a store.
type access int

const (
	reads    access = iota // the store must exist; others can read it at the same time
	copies                 // as reads, but the whole file is read as of one moment
	changes                // the store must exist
	creates                // the store is created if it does not exist
	rewrites               // the store must exist, and afterwards its file must contain all of it
)

// decodeBytes limits the memory of a decoded value. It is more than the default limit of
// stores, because earlier versions did not check that limit.
const decodeBytes = 512 << 20

// withStore runs fn on the store that a path or URL names.
func withStore(cmd *cobra.Command, name string, a access, fn func(*extlibs.Handle) error) error {
	return withRegistry(cmd, name, a, func(_ *extlibs.Registry, h *extlibs.Handle) error { return fn(h) })
}

// withRegistry is withStore with the registry that has the store open.
func withRegistry(cmd *cobra.Command, name string, a access, fn func(*extlibs.Registry, *extlibs.Handle) error) (err error) {
	if err := canOpen(cmd, name, a); err != nil {
		return err
	}
	limit, err := maxValueBytes(cmd)
	if err != nil {
		return err
	}
	opts := []extlibs.Option{extlibs.MaxValueBytes(limit), extlibs.MaxOperationBytes(max(limit, extlibs.DefaultMaxOperationBytes))}
	if a.onlyReads() {
		opts = append(opts, extlibs.ReadOnly(), extlibs.MaxOperationBytes(decodeBytes))
	}
	if isURL(name) { // warnings about a server's settings concern its hosts
		errorsOnly := slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError})
		opts = append(opts, extlibs.Logger(slog.New(errorsOnly)))
	}
	if a.onlyReads() && wantsLive(cmd) {
		return withLive(cmd, name, opts, fn)
	}
	r := extlibs.NewRegistry(opts...)
	defer func() {
		closeErr := r.Close()
		if err == nil && closeErr != nil && (a == changes || a == creates) {
			warn(cmd, "the change is stored, but closing the store failed: %v", closeErr)
			return
		}
		err = errors.Join(err, closeErr)
	}()
	opened := name
	switch {
	case remote.Is(name):
		opened = remote.Text(name)
	case !isURL(name) && a == reads: // the file is unlocked between pages
		path, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		opened = pagedfile.URL(path, opts...)
	}
	h, err := r.Open(cmd.Context(), opened)
	if err == nil {
		err = fn(r, h)
	}
	if shown, _, paged := strings.Cut(opened, "?"); paged && !isURL(name) {
		err = shownAs(err, shown, name)
	}
	if errors.Is(err, extlibs.ErrInUse) && !isURL(name) {
		instead := "or use the address at which it mounts kvadmin"
		if cmd.Flags().Lookup(liveFlag) != nil {
			instead = "or read a copy with --live"
		}
		return fmt.Errorf("%w, %s", err, instead)
	}
	return err
}

// canOpen returns an error if the store cannot be opened with this access, for example
// because it does not exist.
func canOpen(cmd *cobra.Command, name string, a access) error {
	switch {
	case cmd.Context().Err() != nil:
		return cmd.Context().Err()
	case isInMemory(name):
		return usageError("a store in memory exists only in its process; give the path of a file or the URL of a server or running host")
	case isURL(name) && a != creates && wantsLive(cmd): // the flag is for the source of move, not for its destination
		return usageError("--live needs a file; omit it for a store on a server")
	case isURL(name) && a != creates:
		return existsOn(cmd.Context(), name)
	case isURL(name):
	case a == creates && !exists(name):
		return isFreeForStore(name) // it must not be paired with an old log
	case a != creates:
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return noFile(name)
		}
		if a.onlyReads() && err == nil && info.Mode().IsRegular() && info.Size() == 0 {
			return fmt.Errorf("%q is an empty file, not a store yet; write to it with set, import or move", name)
		}
	}
	return nil
}

func (a access) onlyReads() bool { return a == reads || a == copies }

// maxValueFlag is the flag for stores whose host has raised MaxValueBytes.
const maxValueFlag = "max-value-bytes"

func maxValueBytes(cmd *cobra.Command) (int, error) {
	n, err := cmd.Flags().GetInt(maxValueFlag)
	if err == nil && n <= 0 {
		err = usageError("--%s is %d; use a number of bytes", maxValueFlag, n)
	}
	return n, err
}

func isURL(name string) bool { return strings.Contains(name, "://") }

// isInMemory reports whether name is that of an in-memory store, or an incomplete form of
// one, which the library refuses.
func isInMemory(name string) bool {
	return name == "" || !isURL(name) && (name[0] == ':' || strings.HasPrefix(name, "memory:"))
}

func noFile(name string) error {
	return fmt.Errorf("there is no file %q; check the path; set, import, restore and move create stores", name)
}

// selection are the flags that choose keys.
type selection struct {
	pattern, prefix, after, before string
	limit                          int
	reverse                        bool
}

func (s *selection) flags(cmd *cobra.Command, paged bool) {
	cmd.Flags().StringVar(&s.pattern, "pattern", "", `only keys that match the pattern, such as "user:*"; it can contain *, ?, [abc] and {a,b}`)
	cmd.Flags().StringVar(&s.prefix, "prefix", "", "only keys with this prefix, taken literally")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if s.limit < 0 {
			return usageError("--limit is %d; use 0 (all) or more", s.limit)
		}
		for flag, text := range map[string]string{"pattern": s.pattern, "prefix": s.prefix, "after": s.after, "before": s.before} {
			if !utf8.ValidString(text) {
				return usageError("--%s is not valid UTF-8; every key must be", flag)
			}
		}
		return nil
	}
	if paged {
		cmd.Flags().IntVar(&s.limit, "limit", 0, "maximum number of keys; 0 means all")
		cmd.Flags().StringVar(&s.after, "after", "", "only keys after this one")
		cmd.Flags().StringVar(&s.before, "before", "", "only keys before this one")
		cmd.Flags().BoolVar(&s.reverse, "reverse", false, "descending order")
	}
}

// options returns the selection as ListOptions.
func (s *selection) options() extlibs.ListOptions {
	return extlibs.ListOptions{Pattern: s.pattern, Prefix: s.prefix, Limit: s.limit, After: s.after, Before: s.before, Reverse: s.reverse}
}

// nextPage changes o to select the page after the key last.
func nextPage(o *extlibs.ListOptions, last string) {
	if o.Reverse {
		o.Before = last
	} else {
		o.After = last
	}
}

// countKeys returns the number of keys that a pattern and a prefix select.
func countKeys(cmd *cobra.Command, h *extlibs.Handle, o extlibs.ListOptions) (n int, err error) {
	switch {
	case o.Prefix == "":
		return h.Count(cmd.Context(), o.Pattern)
	case o.Pattern == "":
		return h.Count(cmd.Context(), glob.Escape(o.Prefix)+"*")
	}
	err = eachKey(cmd, h, extlibs.ListOptions{Pattern: o.Pattern, Prefix: o.Prefix}, func(string) error { n++; return nil })
	return n, err
}
