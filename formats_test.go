package extlibs_test

import (
	"archive/tar"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/internal/kvtest/golden"
	bolt "go.etcd.io/bbolt"
)

// extractFormats extracts the stores that a commit wrote, and returns their folders.
func extractFormats(t *testing.T, archive string) map[string]string {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	folders := map[string]string{}
	for r := tar.NewReader(bzip2.NewReader(f)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return folders
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			must(t, os.MkdirAll(path, 0o700))
			continue
		}
		b, err := io.ReadAll(r)
		must(t, err)
		must(t, os.WriteFile(path, b, 0o600))
		folders[filepath.Base(filepath.Dir(path))] = filepath.Dir(path)
	}
}

func wantGolden(t *testing.T, path string, opts ...extlibs.Option) {
	t.Helper()
	r := extlibs.NewRegistry(append(opts, goldenClock)...)
	defer func() { must(t, r.Close()) }()
	golden.Want(t, mustOpen(t, r, path), goldenNow, "testdata/formats", filepath.Base(filepath.Dir(path)))
}

// goldenNow is when the stores are opened: long after the keys that expire have expired,
// long before the others do.
var goldenNow = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

var goldenClock = extlibs.Clock(func() time.Time { return goldenNow })

// formatArchives returns the archives of files: format -> names.
func formatArchives(t *testing.T) map[string][]string {
	t.Helper()
	names, err := filepath.Glob("testdata/formats/*.tar.bz2")
	must(t, err)
	archives := map[string][]string{}
	for _, name := range names {
		format, _, _ := strings.Cut(filepath.Base(name), "-")
		archives[format] = append(archives[format], name)
	}
	return archives
}

// Formats are forever: files that earlier commits wrote, whole or as a crash left them.
func TestFilesOfEarlierVersionsHoldWhatWasWritten(t *testing.T) {
	for format, archives := range formatArchives(t) {
		for _, archive := range kvtest.Sample(t, archives, 1) {
			for name, dir := range extractFormats(t, archive) {
				t.Run(filepath.Base(archive)+"/"+name, func(t *testing.T) {
					t.Parallel()
					path := filepath.Join(dir, "kv.db")
					before, err := os.ReadFile(path)
					must(t, err)
					if got := fileFormat(t, path); got != format {
						t.Fatalf("the file has format %s", got)
					}
					wantGolden(t, path, extlibs.ReadOnly())
					if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
						t.Errorf("a read-only open changed the file (%v)", err)
					}
					wantGolden(t, path) // which brings the log into the file
					if _, err := os.Stat(path + "-log"); !errors.Is(err, os.ErrNotExist) {
						t.Errorf("the log is still there (%v)", err)
					}
					r := extlibs.NewRegistry(goldenClock)
					h := mustOpen(t, r, path)
					must(t, h.Set(ctx, "new", 1, 0))
					must(t, h.Compact(ctx))
					if ok, err := h.Delete(ctx, "new"); !ok || err != nil {
						t.Errorf("delete: %v, %v", ok, err)
					}
					must(t, r.Close())
					wantGolden(t, path)
				})
			}
		}
	}
}

// fileFormat reads the format of a file with the engine alone.
func fileFormat(t *testing.T, path string) (format string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	must(t, err)
	defer db.Close()
	must(t, db.View(func(tx *bolt.Tx) error {
		format = fmt.Sprint(tx.Bucket([]byte("meta")).Get([]byte("format"))[0])
		return nil
	}))
	return format
}

func TestEachFormatOfFilesHasStoresThatItsVersionsWrote(t *testing.T) {
	path := onDisk.storeName(t)
	r := onDisk.registry(t)
	must(t, mustOpen(t, r, path).Set(ctx, "k", 1, 0))
	must(t, r.Close())
	now := fileFormat(t, path)
	if len(formatArchives(t)[now]) == 0 {
		t.Errorf("no file of format %s, which is written now, is in testdata/formats; its README says how to write one", now)
	}
	readme, err := os.ReadFile("testdata/formats/README.md")
	must(t, err)
	entries, err := os.ReadDir("testdata/formats")
	must(t, err)
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".bz2") && !strings.Contains(string(readme), "| "+name+" |") {
			t.Errorf("README.md does not say what wrote %s", name)
		}
	}
}
