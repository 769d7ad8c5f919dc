package wal

// A process that stores a few keys and ends should not write megabytes of zeros for its log,
// and a sync of blocks that were never written takes longer, because the file system has to
// note that they were. So zeros are written a bit before the records: as much as the log has
// already, but no more than maxFill at once.
const (
	firstFill = 16 << 10
	maxFill   = 1 << 20
)

// zeros is what logs are filled with.
var zeros [maxFill]byte

// allocate makes a new file as long as it will be.
func (l *Log) allocate() error {
	if l.opts.Allocate == nil {
		l.filled = l.size
		return fill(l.file, headerBytes, l.bytes)
	}
	written, err := l.opts.Allocate(l.bytes)
	switch {
	case err != nil:
		return err
	case written:
		l.filled = l.size
		return nil
	}
	return l.prepare(firstFill)
}

// prepare fills the ring up to an offset, at least. The rest reads as zeros, too.
func (l *Log) prepare(to int64) error {
	if min(to, l.size) <= l.filled {
		return nil
	}
	return l.fillMore(to)
}

func (l *Log) fillMore(to int64) error {
	to = min(max(to, min(2*l.filled, l.filled+maxFill)), l.size)
	err := fill(l.file, headerBytes+l.filled, headerBytes+to)
	if err == nil {
		l.filled = to
	}
	return err
}

func fill(f File, from, to int64) error {
	for from < to {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), to-from)], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}
