//go:build unix

package rotation

import (
	"errors"
	"os"
)

// syncFolder makes the names of a folder durable.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
