package access

import "os"

// Allocate extends a file from one length to another and reserves the blocks, so that
// later writes to them need no more space, except on a copy-on-write file system. If
// Allocate fails, the file can be longer than before.
func (d *Dir) Allocate(f *os.File, from, to int64) error {
	if err := d.hook(ActAllocate, d.base); err != nil {
		return err
	}
	_, err := allocate(f, from, to)
	return err
}

// AllocateLog is Allocate for a log, which is empty. It reports whether it had to write
// zeros, and did.
func (d *Dir) AllocateLog(f *os.File, size int64) (written bool, err error) {
	if err := d.hook(ActAllocateLog, f.Name()); err != nil {
		return false, err
	}
	return allocate(f, 0, size)
}

// ExtendLog is Allocate for bytes of a log, the first of which can be after its end. It does
// nothing where that would write zeros.
func (d *Dir) ExtendLog(f *os.File, from, to int64) error {
	if err := d.hook(ActAllocateLog, f.Name()); err != nil {
		return err
	}
	return reserveBlocks(f, from, to)
}

// TruncateLog makes a log shorter.
func (d *Dir) TruncateLog(f *os.File, size int64) error {
	if err := d.hook(ActTruncateLog, f.Name()); err != nil {
		return err
	}
	return f.Truncate(size)
}

// writeZeros is for systems and file systems that cannot allocate otherwise.
func writeZeros(f *os.File, from, to int64) (written bool, err error) {
	zeros := make([]byte, min(to-from, 1<<20))
	for from < to {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), to-from)], from)
		if err != nil {
			return false, err
		}
		from += int64(n)
	}
	return true, nil
}
