package extlibs_test

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/storetest"
)

// bareBackends are the backends with the options that change how they work.
var bareBackends = []backend{
	{name: "memory"},
	{name: "memory with limits", options: []extlibs.Option{extlibs.MaxKeys(20_000), extlibs.MaxMemoryBytes(64 << 20)}},
	{name: "disk", persistent: true},
	{name: "disk with limits", persistent: true, options: []extlibs.Option{extlibs.MaxKeys(20_000), extlibs.MaxFileBytes(64 << 20)}},
	{name: "disk, checkpoints all the time", persistent: true, options: []extlibs.Option{extlibs.LogBytes(1)}},
	{name: "disk without a log", persistent: true, options: []extlibs.Option{extlibs.DiskHook(noLog)}},
	{name: "interval, checkpoints all the time", persistent: true, options: []extlibs.Option{extlibs.Durability(extlibs.Interval(3 * time.Millisecond)), extlibs.LogBytes(1)}},
	{name: "interval, nothing synced", persistent: true, options: []extlibs.Option{extlibs.Durability(extlibs.Interval(time.Hour))}},
}

// noLog refuses a log beside the file.
func noLog(act access.Act, name string) error {
	if act == access.ActCreate && strings.HasSuffix(name, "-log") {
		return &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	return nil
}

// The backends themselves: Handle.Store checks, copies and matches above them, and could
// hide a mistake below it.
func TestEveryBackendPassesTheConformanceTestsByItself(t *testing.T) {
	for _, b := range kvtest.Sample(t, bareBackends, 3) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			storetest.Run(t, storetest.Config{
				Open: func(t *testing.T) extlibs.Store {
					return extlibs.Bare(b.open(t, clock.option()))
				},
				Advance: clock.Advance,
			})
		})
	}
}
