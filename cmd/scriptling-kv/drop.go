package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/cmd/scriptling-kv/internal/tempfolder"
	files "github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/spf13/cobra"
)

// dropped is a damaged part of a file, between two keys that can be read.
type dropped struct {
	After  *string `json:"after"`  // the last key before it; null: there is none
	Before *string `json:"before"` // the first key after it; null: there is none
	Why    string  `json:"why"`
}

// kept is the JSON output of repair --drop-damaged.
type kept struct {
	File    string    `json:"file"`
	Keys    int64     `json:"keys"`
	Stray   int64     `json:"stray"`   // of them from unreachable pages
	Expired int64     `json:"expired"` // not copied
	Lost    *int64    `json:"lost"`    // null: unknown
	Dropped []dropped `json:"dropped"`
	More    int       `json:"more"` // dropped parts beyond those
	Log     bool      `json:"log"`  // the damaged file needs its log
}

// maxDropped limits the parts that dropDamaged remembers.
const maxDropped = 1000

// dropping copies the records of a damaged file that can be read.
type dropping struct {
	kept
	w        writer
	last     *string // the last key of the last commit that was read
	waiting  int     // dropped parts that have no Before yet: the last ones of Dropped
	unusable int64   // records with a checksum, but without a value that a store takes
	stale    bool
}

// dropDamaged makes a new file of the readable records of a damaged one.
func dropDamaged(cmd *cobra.Command, d *boltfile.Damaged, before *boltfile.Report, from, to string) error {
	if err := isFreeForStore(to); err != nil {
		return err
	}
	like, err := os.Stat(from)
	if err != nil {
		return err
	}
	k := &dropping{stale: before.Stale}
	k.File = to
	k.Dropped = []dropped{}
	err = newStore(cmd.Context(), to, like, func(h *extlibs.Handle) error {
		k.w.h = h
		d.Gap = k.gap
		r, err := checked(cmd, d, "repair", func(rec boltfile.Record) error { return k.record(cmd.Context(), rec) })
		if err == nil {
			err = k.w.flush(cmd.Context())
		}
		if err != nil {
			return err
		}
		n, err := h.Count(cmd.Context(), "*")
		k.Keys, k.Log = int64(n), r.Log
		lost, known := r.Lost()
		k.Lost = lostOf(lost+k.unusable, known)
		return err
	})
	if err != nil {
		return fmt.Errorf("%q: %w", to, err)
	}
	if err := printResult(cmd, k.kept, k.text()); err != nil {
		return err
	}
	if k.Lost == nil || *k.Lost > 0 || k.Log {
		return &exitError{exitIncomplete, fmt.Errorf("%q lacks, or may lack, records of %q; keep both", to, from)}
	}
	return nil
}

// record stores a record. Stray ones come first, and those of the last commit replace them.
func (k *dropping) record(ctx context.Context, rec boltfile.Record) error {
	key := string(rec.Key)
	if rec.Stray && k.stale { // it can be an old value, or a removed key
		return nil
	}
	if !utf8.ValidString(key) || key == "" {
		k.unusable++
		k.gap(errors.New("a record with an invalid key"))
		return nil
	}
	ttl := time.Duration(0)
	if rec.Deadline != 0 {
		if ttl = time.Until(time.Unix(0, rec.Deadline)); ttl <= 0 {
			k.Expired++
			return nil
		}
	}
	v := extlibs.RawValue(string(rec.Value))
	if _, err := v.DecodeWithin(ctx, decodeBytes); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		k.unusable++
		k.gap(fmt.Errorf("the value of %.128q is invalid", key))
		return nil
	}
	if rec.Stray {
		k.Stray++
	} else {
		k.passed(key)
	}
	return k.w.set(ctx, extlibs.Entry{Key: key, Value: v, TTL: ttl})
}

// gap notes a damaged part after the last key.
func (k *dropping) gap(why error) {
	if len(k.Dropped) == maxDropped {
		k.More++
		return
	}
	text := strings.TrimPrefix(why.Error(), "the file is damaged: ")
	text, _, _ = strings.Cut(text, "; restore it")
	k.Dropped = append(k.Dropped, dropped{After: k.last, Why: text})
	k.waiting++
}

// passed notes a key that was read.
func (k *dropping) passed(key string) {
	for ; k.waiting > 0; k.waiting-- {
		k.Dropped[len(k.Dropped)-k.waiting].Before = &key
	}
	k.last = &key
}

func (k *dropping) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q has the %s that could be read", k.File, plural(k.Keys, "key", "keys"))
	if k.Stray > 0 {
		fmt.Fprintf(&b, "; %s found on unreachable pages", plural(k.Stray, "record was", "records were"))
	}
	switch {
	case k.Lost == nil:
		b.WriteString("; the number of lost records is unknown")
	default:
		fmt.Fprintf(&b, "; %s lost", plural(*k.Lost, "record is", "records are"))
	}
	if k.Log {
		b.WriteString("; the log of the damaged file was not read")
	}
	if len(k.Dropped) > 0 {
		b.WriteString("\ndropped:")
	}
	for _, part := range k.Dropped {
		fmt.Fprintf(&b, "\n  %s, %s", printable(part.Why), between(part.After, part.Before))
	}
	if k.More > 0 {
		fmt.Fprintf(&b, "\n  and %d more", k.More)
	}
	return b.String()
}

// between describes where a dropped part was.
func between(after, before *string) string {
	switch {
	case after == nil && before == nil:
		return "with no readable key before or after it"
	case after == nil:
		return fmt.Sprintf("before %.128q", *before)
	case before == nil:
		return fmt.Sprintf("after %.128q", *after)
	}
	return fmt.Sprintf("between %.128q and %.128q", *after, *before)
}

// newStore creates a store at a path that does not exist yet. It is filled in a temporary
// folder, and gets its name when it is complete and synced.
func newStore(ctx context.Context, path string, like os.FileInfo, fill func(*extlibs.Handle) error) (err error) {
	dir, err := tempfolder.Make(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Remove()) }()
	made := filepath.Join(dir.Path, filepath.Base(path))
	r := extlibs.NewRegistry(extlibs.MaxValueBytes(decodeBytes), extlibs.MaxOperationBytes(2*decodeBytes))
	h, err := r.Open(ctx, made)
	if err == nil {
		err = fill(h)
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	return publish(ctx, made, path, like)
}

// publish gives a complete file the name path, which must not exist.
func publish(ctx context.Context, made, path string, like os.FileInfo) error {
	f, err := os.OpenFile(made, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := files.Keep(f, like); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), ctx.Err()); err != nil {
		return err
	}
	if err := os.Link(made, path); errors.Is(err, fs.ErrExist) {
		return isFree(path)
	} else if err != nil { // a file system without hard links
		if err := isFree(path); err != nil {
			return err
		}
		if err := os.Rename(made, path); err != nil {
			return err
		}
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the names in a folder durable, if the system supports that.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return nil // Windows cannot sync folders
	}
	defer dir.Close()
	return boltfile.UnlessReadOnly(dir.Sync())
}
