package extlibs

import (
	"path/filepath"
	"testing"
	"time"
)

// The soak test lost a write now and then because of this.
func TestASweepThatFindsNothingLeavesOtherWritesInItsTransactionAlone(t *testing.T) {
	s, err := openBolt(location{path: filepath.Join(t.TempDir(), "kv.db")}, newOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	set := &write{done: make(chan struct{}), change: func(t *boltTx) error {
		return t.put("k", 0, false, 0, valueTrue)
	}}
	sweep := &write{done: make(chan struct{}), change: func(t *boltTx) error {
		_, _, err := t.sweep()
		return err
	}}
	if err := s.c.doAlone(t.Context(), func() error { // in the committer, as its loop does
		s.c.commit([]*write{set, sweep})
		return nil
	}); err != nil || set.err != nil || sweep.err != nil {
		t.Fatal(err, set.err, sweep.err)
	}
	if e, err := s.Load(t.Context(), "k"); err != nil || e.Value != valueTrue || e.TTL != time.Duration(0) {
		t.Errorf("the write was acknowledged, but: %v, %v", e, err)
	}
}
