package boltfile

import (
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
	metaBytes   = 64
	metaMagic   = 0xED0CDAED
	metaVersion = 2

	minPageSize = 1 << 10 // less than any system has
	maxPageSize = 1 << 16 // the most that any system has
	maxPages    = 1 << 40
	maxTx       = 1 << 62
)

var errHeader = kverr.Errorf(kverr.Corrupt, "the file's header is damaged; restore it from a backup")

// checkMeta reads the meta page that counts. Where one of the two is damaged, torn
// is true, and the other one may be of the commit before: whoever goes on with that
// has to make sure that nothing is missing. The engine would not.
func checkMeta(file io.ReaderAt, size int64) (best metaPage, torn bool, err error) {
	pageSize := int64(os.Getpagesize())
	first, ours := readMeta(file, 0)
	if first.valid {
		pageSize = first.pageSize
	}
	second, alsoOurs := readMeta(file, pageSize)
	if !ours && !alsoOurs {
		return best, false, kverr.Errorf(kverr.Format, "the file is not a kv file; choose another path")
	}
	if size < 2*pageSize {
		return best, false, kverr.Errorf(kverr.Corrupt, "the file has been cut short: %d bytes of at least %d; restore it from a backup", size, 2*pageSize)
	}
	switch {
	case first.valid && second.valid && first.pageSize == second.pageSize:
		// The engine writes the headers by turns.
		if best = first; second.tx > first.tx {
			best = second
		}
		if first.tx+1 != second.tx && second.tx+1 != first.tx {
			return best, false, kverr.Errorf(kverr.Corrupt, "the file's headers do not belong together; restore it from a backup")
		}
	case first.valid && !second.believed, second.valid && !first.believed:
		if best = first; second.valid {
			best = second
		}
		torn = true
		// Behind a first header that is torn the engine goes by the first one that it
		// finds at the beginning of a page of any size.
		for at := int64(minPageSize); at < pageSize && second.valid; at *= 2 {
			if other, _ := readMeta(file, at); other.believed {
				return best, torn, errHeader
			}
		}
		if best.pageSize != pageSize {
			return best, torn, errHeader
		}
	default:
		return best, false, errHeader
	}
	if want := int64(best.pages) * best.pageSize; size < want {
		return best, torn, kverr.Errorf(kverr.Corrupt, "the file has been cut short: %d bytes of at least %d; restore it from a backup", size, want)
	}
	return best, torn, nil
}

type metaPage struct {
	valid          bool
	believed       bool // by the engine, which asks for nothing but the checksum
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
	return parseMeta(b[:])
}

// parseMeta is readMeta for a page that has been read.
func parseMeta(b []byte) (m metaPage, ours bool) {
	meta := b[pageHeaderBytes:][:metaBytes]
	if order.Uint32(meta) != metaMagic {
		return m, false
	}
	sum := fnv.New64a()
	sum.Write(meta[:56])
	m.pageSize = int64(order.Uint32(meta[8:]))
	m.root, m.freelist = order.Uint64(meta[16:]), order.Uint64(meta[32:])
	m.pages, m.tx = order.Uint64(meta[40:]), order.Uint64(meta[48:])
	m.believed = order.Uint32(meta[4:]) == metaVersion && order.Uint64(meta[56:]) == sum.Sum64()
	m.valid = m.believed &&
		m.pageSize >= minPageSize && m.pageSize <= maxPageSize && m.pageSize&(m.pageSize-1) == 0 &&
		m.pages <= maxPages && m.tx < maxTx &&
		m.root < m.pages && (m.freelist < m.pages || m.freelist == noFreelist)
	return m, true
}

// bothHeaders returns the first two pages of a file that holds a commit and nothing
// before it: one header says what raw does, the other is made for the transaction
// before, with the same content. Each is where the engine would have written it, so
// that the next commit takes the place of the older one.
func bothHeaders(raw []byte, tx uint64, pageSize int64) []byte {
	b := make([]byte, 2*pageSize)
	for _, tx := range []uint64{tx, tx - 1} {
		p := b[int64(tx%2)*pageSize:]
		order.PutUint64(p, tx%2)
		order.PutUint16(p[8:], pageMeta)
		putMeta(p[pageHeaderBytes:], raw, tx)
	}
	return b
}

// putMeta writes the header that raw is, for another transaction.
func putMeta(b, raw []byte, tx uint64) {
	copy(b[:metaBytes], raw)
	order.PutUint64(b[48:], tx)
	sum := fnv.New64a()
	sum.Write(b[:56])
	order.PutUint64(b[56:], sum.Sum64())
}

// mappedMeta finds the meta page of a transaction. A later one may have put its
// own in that place.
func mappedMeta(mem []byte, pageSize, tx uint64) (m metaPage, ok bool) {
	for i := range uint64(2) {
		var b [pageHeaderBytes + metaBytes]byte
		copy(b[:], mem[i*pageSize:])
		if m, _ := parseMeta(b[:]); m.valid && m.tx == tx {
			return m, true
		}
	}
	return m, false
}
