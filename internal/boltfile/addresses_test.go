package boltfile

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"log/slog"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// A process with 32-bit addresses says so of a file that it can't map.
func TestAFileThatIsTooLargeForTheAddressesOfTheProcessSaysSo(t *testing.T) {
	path := t.TempDir() + "/app.db"
	open := func() error {
		d, err := OpenDisk(context.Background(), access.Location{Path: path}, DiskOptions{Options: Options{LockTimeout: time.Second, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}})
		if err == nil {
			err = d.Close()
		}
		return err
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 3<<30); err != nil {
		t.Skip(err)
	}
	err := open()
	if strconv.IntSize == 32 && !errors.Is(err, kverr.TooLarge) || strconv.IntSize == 64 && err != nil {
		t.Errorf("a file of 3 GiB: %v", err)
	}
}
