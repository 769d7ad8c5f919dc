package diskstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// A process that opens a new store, sets one key and ends makes ten syncs: of the new file and
// its folder; of the log, the folder, the commit that names the log and the other meta page; of the
// record; of the last commit. A commit takes two. A later process syncs the file instead, when it
// opens it and when it makes sure of its blocks.
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
	for i, want := range []int{10, 11} {
		clear(syncs)
		d := mustOpen(t, path, logBytes(8<<20), count)
		if err := d.set("key", i); err != nil {
			t.Fatal(err)
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
		if n != want {
			t.Errorf("process %d makes %d syncs, want %d: %v", i+1, n, want, syncs)
		}
	}
}

// Without a log each call is in the file, and damage to either meta page does not lose it, whether
// the process ends orderly or not.
func TestACallWithoutALogIsFoundByEachMetaPage(t *testing.T) {
	for _, closed := range []bool{true, false} {
		path := storeName(t)
		for n := range 3 { // calls of a new file, and of one that has had such a call
			d := mustOpen(t, path, hook(noLogHook))
			if err := d.set(fmt.Sprint("key ", n), n); err != nil {
				t.Fatal(err)
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
				again := mustOpen(t, copied, hook(noLogHook))
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

// A call without a log that the disk refuses changes nothing, and one whose second meta page the
// disk refuses is stored; then the store takes no more calls.
func TestACallWithoutALogWhoseDiskFails(t *testing.T) {
	for _, act := range []access.Act{access.ActCommit, access.ActSyncMetaPage, access.ActWriteMetaPage} {
		for at := range 2 {
			t.Run(fmt.Sprint(act, " ", at), func(t *testing.T) {
				path := storeName(t)
				var a acts
				d := mustOpen(t, path, hook(func(act access.Act, name string) error {
					return errors.Join(noLogHook(act, name), a.hook(act, name))
				}))
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
