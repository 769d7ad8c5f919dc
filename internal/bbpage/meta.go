package bbpage

import (
	"errors"
	"hash/fnv"
	"io"
	"os"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// The first two pages are meta pages: a page header of 16 bytes, then magic, version,
// page size, flags, the root bucket (page, sequence), the page of the list of free
// pages, the high-water mark, the transaction, and a checksum of all that.
const (
	metaBytes   = 64
	metaMagic   = 0xED0CDAED
	metaVersion = 2

	minPageSize = 1 << 10 // less than any system has
	maxPageSize = 1 << 16 // the most that any system has
	maxPages    = 1 << 40
	maxTx       = 1 << 62
)

// ErrMeta is the error of a file whose meta pages are damaged.
var ErrMeta = kverr.Errorf(kverr.Corrupt, "the file's meta pages are damaged; restore it from a backup")

// Meta is what a meta page says of a commit. The zero Meta is not valid.
type Meta struct {
	Valid          bool
	PageSize       int64
	Root, Freelist uint64 // pages
	Pages, Tx      uint64 // high-water mark; number of the commit

	believed bool // by bbolt, which only verifies the checksum
}

// Size returns the size of the file up to the high-water mark.
func (m *Meta) Size() int64 { return int64(m.Pages) * m.PageSize }

// Metas are the two meta pages of a file.
type Metas struct {
	First, Second Meta
	PageSize      int64 // of the valid one; else that of the system
	Ours          bool  // one of them is a meta page, damaged or not
	mistaken      bool  // bbolt takes another place for the second one
}

// ReadMetas reads the meta pages. If the first is damaged it searches the second at the
// beginning of a page of any size.
func ReadMetas(file io.ReaderAt) (m Metas) {
	m.PageSize = int64(os.Getpagesize())
	first, ours := readMeta(file, 0)
	if first.Valid {
		m.PageSize = first.PageSize
	}
	second, alsoOurs := readMeta(file, m.PageSize)
	second.Valid = first.Valid && second.Valid && second.PageSize == m.PageSize
	for size := int64(minPageSize); size <= maxPageSize && !first.Valid && !second.Valid; size *= 2 {
		other, _ := readMeta(file, size)
		if other.Valid && other.PageSize == size {
			second, alsoOurs, m.PageSize = other, true, size
		}
		m.mistaken = m.mistaken || other.believed && !second.Valid
	}
	m.First, m.Second, m.Ours = first, second, ours || alsoOurs
	return m
}

// Newest returns the meta page of the last commit, and that of the commit before. Either
// is not valid if it cannot be read.
func (m *Metas) Newest() (last, before Meta) {
	if !m.First.Valid || m.Second.Valid && m.Second.Tx > m.First.Tx {
		return m.Second, m.First
	}
	return m.First, m.Second
}

// Last returns the meta page of the last commit, if bbolt can open a file of that size.
// If one of the two is damaged, torn is true and the other one can be of the commit
// before: a caller that uses it has to make sure that nothing is missing. bbolt would not.
func (m *Metas) Last(size int64) (last Meta, torn bool, err error) {
	last, before := m.Newest()
	need := last.Size()
	switch {
	case !m.Ours:
		return last, false, kverr.Errorf(kverr.Format, "the file is not a kv file; choose another path")
	case size < 2*m.PageSize:
		need = 2 * m.PageSize
	case last.Valid && before.Valid:
		if before.Tx+1 != last.Tx { // bbolt writes the two alternately
			return last, false, kverr.Errorf(kverr.Corrupt, "the file's meta pages are not from consecutive commits; restore it from a backup")
		}
	case !last.Valid || before.believed:
		return last, false, ErrMeta
	case !m.First.Valid && (m.mistaken || m.PageSize != int64(os.Getpagesize())):
		return last, true, ErrMeta
	default:
		torn = true
	}
	if size < need {
		err = kverr.Errorf(kverr.Corrupt, "the file was truncated: it has %d bytes of at least %d; restore it from a backup", size, need)
	}
	return last, torn, err
}

// noFreelist is the page of a list of free pages that is not in the file.
const noFreelist = ^uint64(0)

// readMeta reads the meta page at an offset. ours reports whether there is one, damaged
// or not.
func readMeta(file io.ReaderAt, at int64) (m Meta, ours bool) {
	var b [pageHeaderBytes + metaBytes]byte
	if _, err := file.ReadAt(b[:], at); err != nil && !errors.Is(err, io.EOF) {
		return m, false
	}
	return parseMeta(b[:])
}

// parseMeta is readMeta for a page in memory.
func parseMeta(b []byte) (m Meta, ours bool) {
	meta := b[pageHeaderBytes:][:metaBytes]
	if order.Uint32(meta) != metaMagic {
		return m, false
	}
	sum := fnv.New64a()
	sum.Write(meta[:56])
	m.PageSize = int64(order.Uint32(meta[8:]))
	m.Root, m.Freelist = order.Uint64(meta[16:]), order.Uint64(meta[32:])
	m.Pages, m.Tx = order.Uint64(meta[40:]), order.Uint64(meta[48:])
	m.believed = order.Uint32(meta[4:]) == metaVersion && order.Uint64(meta[56:]) == sum.Sum64()
	m.Valid = m.believed &&
		m.PageSize >= minPageSize && m.PageSize <= maxPageSize && m.PageSize&(m.PageSize-1) == 0 &&
		m.Pages <= maxPages && m.Tx < maxTx &&
		m.Root < m.Pages && (m.Freelist < m.Pages || m.Freelist == noFreelist)
	return m, true
}

// ErrNoMeta is the error of BothMetas if no meta page is that of the commit.
var ErrNoMeta = errors.New("no meta page is that of the commit")

// BothMetas returns the first two pages for a copy of a file that holds the commit tx and
// none before it. One meta page is that of the commit, from a file that has one, and the
// other is made for the transaction before, with the same content. Each is where bbolt
// would have written it, so that the next commit replaces the older one.
func BothMetas(file io.ReaderAt, tx uint64) ([]byte, error) {
	metas := ReadMetas(file)
	at := int64(0)
	if !metas.First.Valid || metas.First.Tx != tx {
		if at = metas.PageSize; !metas.Second.Valid || metas.Second.Tx != tx {
			return nil, ErrNoMeta
		}
	}
	raw := make([]byte, metaBytes)
	if _, err := file.ReadAt(raw, at+pageHeaderBytes); err != nil {
		return nil, readError(err)
	}
	return metaPages(raw, metas.PageSize, tx), nil
}

// metaPages returns the first two pages of a file for the commits tx and tx-1, with the
// same content.
func metaPages(raw []byte, pageSize int64, tx uint64) []byte {
	b := make([]byte, 2*pageSize)
	for _, tx := range []uint64{tx, tx - 1} {
		p := b[int64(tx%2)*pageSize:]
		order.PutUint64(p, tx%2)
		order.PutUint16(p[8:], pageMeta)
		putMeta(p[pageHeaderBytes:], raw, tx)
	}
	return b
}

// encode returns a meta page, for putMeta.
func (m *Meta) encode() []byte {
	b := make([]byte, metaBytes)
	order.PutUint32(b, metaMagic)
	order.PutUint32(b[4:], metaVersion)
	order.PutUint32(b[8:], uint32(m.PageSize))
	order.PutUint64(b[16:], m.Root)
	order.PutUint64(b[32:], m.Freelist)
	order.PutUint64(b[40:], m.Pages)
	return b
}

// putMeta writes a meta page for another transaction.
func putMeta(b, raw []byte, tx uint64) {
	copy(b[:metaBytes], raw)
	order.PutUint64(b[48:], tx)
	sum := fnv.New64a()
	sum.Write(b[:56])
	order.PutUint64(b[56:], sum.Sum64())
}
