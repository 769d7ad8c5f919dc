package boltfile

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A write of the other meta page can fail although its meta data is in the file. Then the engine
// shows a commit that is not known, and reads continue with the one before, as with any failed
// write of that page.
func TestReadsContinueAfterAFailedWriteOfTheOtherMetaPage(t *testing.T) {
	for _, stored := range []bool{false, true} {
		t.Run(fmt.Sprint("stored ", stored), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kv.db")
			f, err := openHooked(path, nil, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			set := func(value string) error {
				return f.Update(func(tx *Tx) error {
					if err := tx.SetState("key", State{Exists: true, Value: value}); err != nil {
						return err
					}
					return tx.Twin()
				})
			}
			for _, value := range []string{"1", "2"} {
				if err := set(value); err != nil {
					t.Fatal(err)
				}
			}
			next, err := f.nextMeta(f.db, nil)
			if err != nil || next.page == nil {
				t.Fatalf("no page, %v", err)
			}
			if stored {
				if _, err := f.file.Load().WriteAt(next.page, next.at); err != nil {
					t.Fatal(err)
				}
			}
			unwritable, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer unwritable.Close()
			file := f.file.Swap(unwritable)
			if refused, err := f.writeMeta(next); err == nil || refused {
				t.Errorf("the page was not written: %v, %v", refused, err)
			}
			f.file.Store(file)
			for range 2 {
				err = f.View(func(tx *Tx) error {
					if s, err := tx.State("key", true); err != nil || s.Value != "2" {
						t.Errorf("%q, %v", s.Value, err)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}
