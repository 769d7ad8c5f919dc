package bbpage

import "github.com/scriptling-kv/extlibs/internal/kverr"

// freelist is the list of free pages: n page numbers at an offset, in some pages.
type freelist struct {
	n, pages uint64
	at       int
}

// parseFreelist verifies the beginning of the list of free pages.
func parseFreelist(b []byte, meta Meta) (l freelist, err error) {
	id, h := meta.Freelist, page(b)
	l = freelist{n: uint64(h.count()), pages: h.overflow() + 1, at: pageHeaderBytes}
	if h.id() != id || h.flags() != pageFreelist || id >= meta.Pages || l.pages > meta.Pages-id {
		return l, errPage(id, "is not a list of free pages")
	}
	words := l.n
	if l.n == 0xFFFF { // the count did not fit, and is before the list
		l.n, l.at = order.Uint64(b[pageHeaderBytes:]), l.at+8
		words = l.n + 1
	}
	// bbolt sizes the list before it takes the list's own pages from it.
	size := uint64(meta.PageSize)
	least, most := (pageHeaderBytes+8*words)/size+1, (pageHeaderBytes+8*(words+l.pages+1))/size+1
	if l.n > meta.Pages || l.pages < least || l.pages > most {
		return l, errPage(id, "is a list of free pages with a wrong length")
	}
	return l, nil
}

// Freelist claims the meta pages, the free pages and those of their list, and returns how many
// pages are free. bbolt would allocate as much as the list's length says; Freelist reads it
// piece by piece, and it has to ascend, so that a wrong length ends the walk early.
func (w *Walk) Freelist(meta Meta) (free uint64, err error) {
	if err := w.claim(0, 2); err != nil {
		return 0, err
	}
	id := meta.Freelist
	if id == noFreelist {
		// bbolt would look for the free pages in trees that have not been verified, in a
		// goroutine whose panic ends the process.
		return 0, kverr.Errorf(kverr.Format, "the file has no list of free pages, which every kv file has; choose another path, or restore it from a backup")
	}
	b, err := w.read(id, pageHeaderBytes+8, 0)
	if err != nil {
		return 0, err
	}
	list, err := parseFreelist(b, meta)
	if err != nil {
		return 0, err
	}
	if err := w.claim(id, list.pages); err != nil {
		return 0, err
	}
	last, at := uint64(1), uint64(list.at)
	for left := list.n; left > 0; {
		n := min(left, w.PageSize/8)
		first, offset := id+at/w.PageSize, at%w.PageSize
		ids, err := w.read(first, offset+8*n, 0)
		if err != nil {
			return 0, err
		}
		for ids = ids[offset:]; len(ids) > 0; ids = ids[8:] {
			free := order.Uint64(ids)
			if free <= last {
				return 0, errPage(id, "is a list of free pages that does not ascend")
			}
			if last = free; free >= meta.Pages {
				return 0, errPage(free, "is beyond the end")
			}
			if !w.Set.claim(free) {
				return 0, errPage(free, "is used twice")
			}
		}
		at, left = at+8*n, left-n
	}
	return list.n, nil
}

// Unreachable returns an error if a page is neither in use nor free.
func (w *Walk) Unreachable() error {
	for id := range w.Pages {
		if !w.Set.has(id) {
			return errPage(id, "is unreachable and not free")
		}
	}
	return nil
}
