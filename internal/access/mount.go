package access

import "os"

// ActMount asks whether a file is a mount of its own. A Hook that fails says that it is.
const ActMount Act = "mount"

// Mounted reports whether a file of the folder is a mount of its own, as `docker run -v
// ./app.db:/app/app.db` makes it. Then the folder that the program sees beside the file
// is another one than where the file is kept: what is made there does not stay with the
// file, and no other file can take the file's name.
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
