package powercut

import (
	"bytes"
	"io"
	"maps"
	"slices"
)

// Folder returns what programs see: the newest of everything.
func (d *Disk) Folder() map[string]*Image {
	return d.build(&choice{newest: true})
}

// choice is one of the states that the disk may be in.
type choice struct {
	newest bool                 // all that the others do not say
	pages  map[pageOf]pageState // else as it is for certain
	sizes  map[int]int          // file -> number of its sizes that came true
	attrs  map[int]int          // file -> number of changes of owner and mode that are in the image
	names  []bool               // one for each change of names
}

type pageOf struct {
	file int
	page int64
}

// pageState is a number of versions that came true; torn pages have other
// sectors of another one, or their beginning.
type pageState struct {
	version, other int
	sectors        uint8 // one bit for each sector that is of other
	bytes          int   // so many bytes at the beginning are of other
}

// Image is a file: its content, owner and mode.
type Image struct {
	Attrs Attrs
	size  int64
	pages map[int64]*page // without those of zeros
}

// NewImage returns the image of some bytes.
func NewImage(content []byte) *Image {
	f := &diskFile{later: map[int64][]version{}}
	f.write(0, 0, content)
	m := &Image{size: int64(len(content)), pages: map[int64]*page{}}
	for n, v := range f.later {
		m.put(n, v[0].page)
	}
	return m
}

func (m *Image) put(n int64, p *page) {
	if n*pageBytes >= m.size || p == nil || p == zeroPage {
		delete(m.pages, n)
		return
	}
	if beyond := (n+1)*pageBytes - m.size; beyond > 0 && !bytes.Equal(p[pageBytes-beyond:], zeroPage[:beyond]) {
		cut := *p
		clear(cut[pageBytes-beyond:])
		p = cut.settled()
	}
	m.pages[n] = p
}

// Equal reports whether two files hold the same.
func (m *Image) Equal(other *Image) bool {
	if m.size != other.size || len(m.pages) != len(other.pages) {
		return false
	}
	for n, p := range m.pages {
		if q := other.pages[n]; q == nil || *p != *q {
			return false
		}
	}
	return true
}

// WriteTo writes the file. It leaves out pages of zeros, as a new file has them.
func (m *Image) WriteTo(f interface {
	io.WriterAt
	Truncate(size int64) error
}) error {
	for n, p := range m.pages {
		if _, err := f.WriteAt(p[:min(pageBytes, m.size-n*pageBytes)], n*pageBytes); err != nil {
			return err
		}
	}
	return f.Truncate(m.size)
}

func (d *Disk) build(c *choice) map[string]*Image {
	names := maps.Clone(d.names)
	for i, change := range d.later {
		if c.names == nil && c.newest || c.names != nil && c.names[i] {
			apply(names, change.names)
		}
	}
	images := map[string]*Image{}
	for name, n := range names {
		images[name] = d.image(n, c)
	}
	return images
}

func (d *Disk) image(n int, c *choice) *Image {
	f := d.file(n)
	size := f.size
	if k, chosen := c.sizes[n]; !chosen && c.newest {
		size = f.newestSize()
	} else if k > 0 {
		size = f.sizes[k-1].size
	}
	attrs := f.attrs
	k, chosen := c.attrs[n]
	if !chosen && c.newest {
		k = len(f.attrsLater)
	}
	if k > 0 {
		attrs = f.attrsLater[k-1].attrs
	}
	image := &Image{Attrs: attrs, size: size, pages: make(map[int64]*page, len(f.durable)+len(f.later))}
	for at, p := range f.durable {
		image.put(at, p)
	}
	for at, versions := range f.later {
		s, chosen := c.pages[pageOf{n, at}]
		if !chosen && c.newest {
			s.version = len(versions)
		}
		pick := func(k int) *page {
			if k > 0 {
				return versions[k-1].page
			}
			if p := f.durable[at]; p != nil {
				return p
			}
			return zeroPage
		}
		p := pick(s.version)
		if s.sectors != 0 || s.bytes > 0 {
			torn, other := *p, pick(s.other)
			copy(torn[:s.bytes], other[:])
			for i := range pageSectors {
				if s.sectors&(1<<i) != 0 {
					copy(torn[i*sectorBytes:(i+1)*sectorBytes], other[i*sectorBytes:])
				}
			}
			p = torn.settled()
		}
		image.put(at, p)
	}
	return image
}

// dirty lists the pages that are not certain, of files that may have a name.
func (d *Disk) dirty() (pages []pageOf) {
	for n, f := range d.files {
		if d.mayBeNamed(n) {
			for at := range f.later {
				pages = append(pages, pageOf{n, at})
			}
		}
	}
	slices.SortFunc(pages, func(a, b pageOf) int {
		if a.file != b.file {
			return a.file - b.file
		}
		return int(a.page - b.page)
	})
	return pages
}

func (d *Disk) mayBeNamed(n int) bool {
	for _, file := range d.names {
		if file == n {
			return true
		}
	}
	for _, change := range d.later {
		for _, file := range change.names {
			if file == n {
				return true
			}
		}
	}
	return false
}
