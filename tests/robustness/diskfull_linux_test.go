package robustness

import (
	"syscall"
	"testing"
	"time"
)

func TestAStoreOnAFullFileSystemWorksAgainAfterDeletes(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("no small file system to be had: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	complainOf(t, linesFrom(t, time.Minute, command("fill", dir, "always")))
}
