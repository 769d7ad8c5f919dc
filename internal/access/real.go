package access

import (
	"os"
	"path/filepath"
)

// Real returns the absolute path of a file without symbolic links. The file need not exist: a
// link to it leads to where it would be created. Parts that cannot be resolved stay unchanged.
func Real(path string) string {
	for range maxLinks {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return path
		}
		path = filepath.Join(dir, filepath.Base(path))
		target, err := os.Readlink(path)
		if err != nil {
			return path
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path = target
	}
	return path
}
