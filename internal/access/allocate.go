package access

import "os"

// Allocate makes a file longer, from one length to another, and has the file system
// reserve the blocks for that: writes to them need no more room later, except on a
// file system that never overwrites blocks. If it fails, the file can be longer.
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
