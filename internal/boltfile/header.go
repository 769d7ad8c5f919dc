package boltfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"os"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// The engine's own meta pages: a page header of 16 bytes, then magic, version,
// page size, flags, the root bucket (page, sequence), the freelist's page, the
// high-water mark, the transaction and a checksum of all that.
const (
	pageHeaderBytes = 16
	metaBytes       = 64
	metaMagic       = 0xED0CDAED
	metaVersion     = 2
)

// checkUnlocked looks at what the engine reads while it opens a file: it trusts
// it, and crashes or takes all memory if it should not have. The file is not
// locked yet, so what looks like damage may be another process at work. Then the
// header has changed when it is read again.
func checkUnlocked(file *os.File, size int64) error {
	for {
		meta, err := checkMeta(file, size)
		if err == nil && meta.freelist != noFreelist {
			_, _, err = readFreelist(file, meta)
		}
		if err == nil {
			return nil
		}
		if info, e := file.Stat(); e == nil {
			size = info.Size()
		}
		if again, e := checkMeta(file, size); e != nil || again == meta {
			return err
		}
	}
}

// verifyFile checks a file that nothing writes. The leaves of one that is larger
// than limit are not read.
func verifyFile(file *os.File, limit int64) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	meta, err := checkMeta(file, info.Size())
	if err != nil {
		return err
	}
	return verify(file, meta, int64(meta.pages)*meta.pageSize <= limit)
}

// checkMeta reads the meta page that counts. The engine would make do with the
// other one if it is damaged, and so take back a commit that was acknowledged.
// No crash leaves half of a meta page behind, because it is within one sector.
func checkMeta(file io.ReaderAt, size int64) (metaPage, error) {
	pageSize := int64(os.Getpagesize())
	first, ours := readMeta(file, 0)
	if first.valid {
		pageSize = first.pageSize
	}
	second, alsoOurs := readMeta(file, pageSize)
	if !ours && !alsoOurs {
		return metaPage{}, kverr.Errorf(kverr.Format, "the file is not a kv file; choose another path")
	}
	if size < 2*pageSize {
		return metaPage{}, kverr.Errorf(kverr.Corrupt, "the file has been cut short: %d bytes of at least %d; restore it from a backup", size, 2*pageSize)
	}
	if !first.valid || !second.valid || first.pageSize != second.pageSize {
		return metaPage{}, kverr.Errorf(kverr.Corrupt, "the file's header is damaged; restore it from a backup")
	}
	best := first
	if second.tx > first.tx {
		best = second
	}
	if want := int64(best.pages) * best.pageSize; best.pages > 1<<40 || size < want {
		return metaPage{}, kverr.Errorf(kverr.Corrupt, "the file has been cut short: %d bytes of at least %d; restore it from a backup", size, want)
	}
	return best, nil
}

type metaPage struct {
	valid          bool
	pageSize       int64
	root, freelist uint64
	pages, tx      uint64
}

// noFreelist stands for a list of free pages that is not in the file.
const noFreelist = ^uint64(0)

// readMeta reads the meta page at offset at. ours is whether there is one,
// damaged or not.
func readMeta(file io.ReaderAt, at int64) (m metaPage, ours bool) {
	var b [pageHeaderBytes + metaBytes]byte
	if _, err := file.ReadAt(b[:], at); err != nil && !errors.Is(err, io.EOF) {
		return m, false
	}
	meta := b[pageHeaderBytes:]
	order := binary.NativeEndian
	if order.Uint32(meta) != metaMagic {
		return m, false
	}
	sum := fnv.New64a()
	sum.Write(meta[:56])
	m.pageSize = int64(order.Uint32(meta[8:]))
	m.root, m.freelist = order.Uint64(meta[16:]), order.Uint64(meta[32:])
	m.pages, m.tx = order.Uint64(meta[40:]), order.Uint64(meta[48:])
	m.valid = order.Uint32(meta[4:]) == metaVersion &&
		order.Uint64(meta[56:]) == sum.Sum64() &&
		m.pageSize >= 512 && m.pageSize <= 1<<16 && !bytes.Equal(meta[:8], make([]byte, 8)) &&
		m.root < m.pages && (m.freelist < m.pages || m.freelist == noFreelist)
	return m, true
}
