package diskstore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// A process that sets one key makes five syncs: of the new file and its folder, or of what an
// earlier process has left; of the data and the meta page of one commit; of the other meta page.
// A process that sets two keys also syncs the log, its folder, the commit that names the log and
// the other meta page; the blocks of the file; the record; and the last commit.
func TestAShortProcessMakesFewSyncs(t *testing.T) {
	syncs := map[access.Act]int{}
	count := hook(func(act access.Act, _ string) error {
		switch act {
		case access.ActSync, access.ActSyncLog, access.ActSyncDir, access.ActCommit, access.ActWriteMetaPage:
			syncs[act]++
		}
		return nil
	})
	path := storeName(t)
	for i, c := range []struct{ sets, want int }{{1, 5}, {1, 5}, {2, 14}} {
		clear(syncs)
		d := mustOpen(t, path, logBytes(8<<20), count, firstDirect())
		for n := range c.sets {
			if err := d.set("key", i+n); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		const ofCommit = 2 // data, and the meta page
		n := ofCommit * syncs[access.ActCommit]
		for act, some := range syncs {
			if act != access.ActCommit {
				n += some
			}
		}
		if n != c.want {
			t.Errorf("process %d makes %d syncs, want %d: %v", i+1, n, c.want, syncs)
		}
	}
}

// The first call is in the file, and damage to either meta page does not lose it, whether the
// process ends orderly or not.
func TestTheFirstCallIsFoundByEachMetaPage(t *testing.T) {
	for _, closed := range []bool{true, false} {
		path := storeName(t)
		for n := range 3 { // of a new file, and of one that has had such a call
			d := mustOpen(t, path, firstDirect())
			if err := d.set(fmt.Sprint("key ", n), n); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path + "-log"); !errors.Is(err, fs.ErrNotExist) {
				t.Error("there is a log:", err)
			}
			if closed {
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
			}
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for page := range 2 {
				b := bytes.Clone(whole)
				b[page*os.Getpagesize()+40] ^= 1
				copied := storeName(t)
				writeFile(t, copied, b)
				again := mustOpen(t, copied, firstDirect())
				for i := range n + 1 {
					if key := fmt.Sprint("key ", i); !again.has(t, key) {
						t.Errorf("closed %v, without meta page %d: %q is lost", closed, page, key)
					}
				}
				if err := errors.Join(again.set("more", 1), again.Close()); err != nil {
					t.Error(err)
				}
				mustOpen(t, copied).Close()
			}
			d.Close()
		}
	}
}

// A first call that the disk refuses changes nothing, and one whose second meta page the disk refuses
// is stored; then the store takes no more calls.
func TestAFirstCallWhoseDiskFails(t *testing.T) {
	for _, act := range []access.Act{access.ActCommit, access.ActSyncMetaPage, access.ActWriteMetaPage} {
		for at := range 2 {
			t.Run(fmt.Sprint(act, " ", at), func(t *testing.T) {
				path := storeName(t)
				var a acts
				d := mustOpen(t, path, firstDirect(), hook(a.hook))
				a.failing(act, at)
				err := d.set("key", 1)
				a.failing("")
				if known := !errors.Is(err, kverr.CommitUnknown); known && (err == nil) != d.has(t, "key") {
					t.Errorf("the call: %v; there is a key: %v", err, d.has(t, "key"))
				}
				next := d.set("next", 1)
				d.Close()
				again := opened(t, path)
				if err == nil && !again.has(t, "key") || (next == nil) != again.has(t, "next") {
					t.Errorf("%v, %v; there are %v", err, next, again.all(t))
				}
			})
		}
	}
}
