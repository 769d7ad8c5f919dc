package bbpage

import (
	"io"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// A Source gives a Walk the first n bytes of a page and its overflow pages. They are
// valid until the next call for the same depth.
type Source interface {
	read(id, n uint64, depth int) ([]byte, error)
}

const (
	maxBranchBytes = 256 << 10 // more than the longest branch takes, with its overflow pages
	maxRunBytes    = 512 << 20 // much more than the largest record takes
)

// fileSource reads pages from a file. A page with overflow pages is read completely only
// if its own table of elements adds up to that.
type fileSource struct {
	file   io.ReaderAt
	size   uint64
	levels [maxTreeDepth][]byte
	large  []byte // for pages that only a leaf can have: one at a time is in use
}

// FileSource returns the pages of a file.
func FileSource(file io.ReaderAt, pageSize int64) Source {
	return &fileSource{file: file, size: uint64(pageSize)}
}

func (f *fileSource) read(id, n uint64, depth int) ([]byte, error) {
	if n > maxRunBytes {
		return nil, errPage(id, "claims to be longer than any record")
	}
	buf := &f.levels[depth]
	if n > maxBranchBytes {
		buf = &f.large
	}
	if uint64(cap(*buf)) < n {
		*buf = nil // so that the two are not held at once
		*buf = make([]byte, n)
	}
	b := (*buf)[:n]
	if _, err := f.file.ReadAt(b, int64(id*f.size)); err != nil {
		return nil, readError(err)
	}
	return b, nil
}

func readError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return kverr.Errorf(kverr.Corrupt, "the file has been cut short; restore it from a backup")
	}
	return err
}
