package access

import "os"

// Allocate extends a file from one length to another and reserves the blocks, so that
// later writes to them need no more space, except on a copy-on-write file system. If
// Allocate fails, the file can be longer than before.
func (d *Dir) Allocate(f *os.File, from, to int64) error {
	if err := d.hook(ActAllocate, d.base); err != nil {
		return err
	}
	return allocate(f, from, to)
}

// writeZeros is for systems and file systems that cannot allocate otherwise.
func writeZeros(f *os.File, from, to int64) error {
	zeros := make([]byte, min(to-from, 1<<20))
	for from < to {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), to-from)], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}
