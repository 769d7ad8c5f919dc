package access

import "os"

// ActMount is the check whether a file is mounted by itself. If the Hook returns an
// error, it counts as mounted.
const ActMount Act = "mount"

// Mounted reports whether a file of the folder is mounted by itself, as with docker run
// -v ./app.db:/app/app.db. The folder that the program sees beside such a file is not the
// folder that stores it: files created there do not stay with it, and no other file can
// take its name.
func (d *Dir) Mounted(f *os.File) bool {
	if d.hook(ActMount, d.base) != nil {
		return true
	}
	dir, err := d.root.Open(".")
	if err != nil {
		return false
	}
	defer dir.Close()
	return onOtherMounts(f, dir)
}
