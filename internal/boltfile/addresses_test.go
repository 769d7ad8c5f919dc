package boltfile

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// A process with 32-bit addresses says so of a file that it can't map.
func TestAFileThatIsTooLargeForTheAddressesOfTheProcessSaysSo(t *testing.T) {
	path := t.TempDir() + "/app.db"
	open := func() error {
		f, err := openTest(t, context.Background(), path, time.Second)
		if err == nil {
			err = f.Close()
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
