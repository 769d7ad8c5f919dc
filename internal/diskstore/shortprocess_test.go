package diskstore

import (
	"testing"

	"github.com/scriptling-kv/extlibs/internal/access"
)

// A process that opens a new store, sets one key and ends makes eleven syncs: of the new file
// and its folder; of the log, the folder and the two commits that name the log; of the record; of
// the last commit. A commit takes two. A later process syncs the file instead, when it opens
// it and when it makes sure of its blocks.
func TestAShortProcessMakesFewSyncs(t *testing.T) {
	syncs := map[access.Act]int{}
	count := hook(func(act access.Act, _ string) error {
		switch act {
		case access.ActSync, access.ActSyncLog, access.ActSyncDir, access.ActCommit:
			syncs[act]++
		}
		return nil
	})
	path := storeName(t)
	for i, want := range []int{11, 12} {
		clear(syncs)
		d := mustOpen(t, path, logBytes(8<<20), count)
		if err := d.set("key", i); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		const ofCommit = 2 // data, and the meta page
		n := syncs[access.ActSync] + syncs[access.ActSyncLog] + syncs[access.ActSyncDir] + ofCommit*syncs[access.ActCommit]
		if n != want {
			t.Errorf("process %d makes %d syncs, want %d: %v", i+1, n, want, syncs)
		}
	}
}
