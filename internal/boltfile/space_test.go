package boltfile

import (
	"strings"
	"testing"
	"time"
)

// A store counts its buffered changes until publish; from then on they must count as pages
// of the file, or it accepts more than the file can take.
func TestTheSpaceOfACommitIsMeasuredBeforeItIsPublished(t *testing.T) {
	f, err := openTest(t, t.Context(), t.TempDir()+"/app.db", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	used := func() int64 { return f.space.Load().used.Load() }
	before, published := used(), int64(0)
	err = f.Publish(func(tx *Tx) error {
		return tx.SetState("key", State{Exists: true, Value: strings.Repeat("v", 100_000)})
	}, func(show func()) {
		published = used()
		show()
	})
	if err != nil {
		t.Fatal(err)
	}
	if after := used(); published != after || after < before+100_000 {
		t.Errorf("%d bytes were used before the commit, %d when it was published, %d after it", before, published, after)
	}
}
