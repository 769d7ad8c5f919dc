package extlibs

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
)

// The soak test lost a write now and then because of this.
func TestASweepThatFindsNothingLeavesOtherWritesInItsTransactionAlone(t *testing.T) {
	s, err := openBolt(access.Location{Path: filepath.Join(t.TempDir(), "kv.db")}, newOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	set := &write{done: make(chan struct{}), change: func(t *boltfile.Tx) error {
		return t.Put("k", 0, false, 0, encodeBool(true).data)
	}}
	sweep := &write{done: make(chan struct{}), change: func(t *boltfile.Tx) error {
		_, _, err := t.Sweep()
		return err
	}}
	if err := s.c.doAlone(t.Context(), func() error { // in the committer, as its loop does
		s.c.commit([]*write{set, sweep})
		return nil
	}); err != nil || set.err != nil || sweep.err != nil {
		t.Fatal(err, set.err, sweep.err)
	}
	if e, err := s.Load(t.Context(), "k", NeedAll); err != nil || e.Value != encodeBool(true) || e.TTL != time.Duration(0) {
		t.Errorf("the write was acknowledged, but: %v, %v", e, err)
	}
}
