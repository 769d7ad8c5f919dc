package powercut

// Sizes of what a disk writes: a page as a whole, as far as nothing goes wrong,
// else a sector, and the worst of them not even that.
const (
	pageBytes   = 4096
	sectorBytes = 512
	pageSectors = pageBytes / sectorBytes
)

// Kind says what an Event did.
type Kind uint8

// The kinds of events.
const (
	Note          Kind = iota // the program said Text
	Write                     // Data was written at Offset of File
	Truncate                  // File was given the length Offset
	Sync                      // a sync of File succeeded
	SyncFailed                // a sync of File failed
	SyncDir                   // a sync of the folder succeeded
	SyncDirFailed             // a sync of the folder failed
	Name                      // Names were changed, all at once
	Attr                      // File was given the owner and mode Attrs
	Killed                    // the process was killed
)

// Event is one thing that happened, in the order in which it did.
type Event struct {
	Kind     Kind
	At       int64 // nanoseconds since 1970
	File     int   // a number for each file ever created, whatever its name
	Offset   int64
	Data     []byte
	Begin    int            // of a sync: the number of events before it began
	Names    map[string]int // name -> file; noFile: the name is gone
	Attrs    *Attrs         // with a name: the attributes with which File was created
	DataOnly bool           // of a sync: it makes no owner or mode durable
	Text     string
}

// Attrs are the owner and the mode of a file.
type Attrs struct{ Mode, UID, GID uint32 }

const noFile = -1

// Changes reports whether the event changed the folder or what is durable of it.
func (e *Event) Changes() bool { return e.Kind != Note && e.Kind != Killed }

// Disk knows what is on disk for certain and what may be.
type Disk struct {
	events int // played so far
	files  []*diskFile
	names  map[string]int // durable
	later  []nameChange   // not yet durable, in their order
}

type nameChange struct {
	event int
	names map[string]int
}

// diskFile is a file with the versions of its pages that are newer than what is
// on disk for certain.
type diskFile struct {
	durable    map[int64]*page
	later      map[int64][]version
	size       int64
	sizes      []sizeVersion
	attrs      Attrs
	attrsLater []attrVersion
}

// A page never changes: what is written makes a new one.
type page [pageBytes]byte

var zeroPage = &page{}

// settled is the page, or the one page of zeros if it is like that.
func (p *page) settled() *page {
	if *p == *zeroPage {
		return zeroPage
	}
	return p
}

type version struct {
	event int
	page  *page
	clean bool // its sync failed, and the kernel does not try again
}

type attrVersion struct {
	event int
	attrs Attrs
}

type sizeVersion struct {
	event int
	size  int64
}

// NewDisk returns a disk with an empty folder.
func NewDisk() *Disk { return &Disk{names: map[string]int{}} }

func (d *Disk) file(n int) *diskFile {
	for len(d.files) <= n {
		d.files = append(d.files, &diskFile{durable: map[int64]*page{}, later: map[int64][]version{}})
	}
	return d.files[n]
}

// Play carries out the next event of a record.
func (d *Disk) Play(e *Event) {
	d.events++
	switch e.Kind {
	case Write:
		d.file(e.File).write(d.events-1, e.Offset, e.Data)
	case Truncate:
		d.file(e.File).truncate(d.events-1, e.Offset)
	case Sync:
		d.file(e.File).sync(e.Begin)
		if !e.DataOnly {
			d.file(e.File).syncAttrs(e.Begin)
		}
	case SyncFailed:
		d.file(e.File).syncFailed(e.Begin)
	case SyncDir:
		n := 0
		for n < len(d.later) && d.later[n].event < e.Begin {
			apply(d.names, d.later[n].names)
			n++
		}
		d.later = d.later[n:]
	case Attr:
		f := d.file(e.File)
		f.attrsLater = append(f.attrsLater, attrVersion{d.events - 1, *e.Attrs})
	case Name:
		if e.Attrs != nil {
			d.file(e.File).attrs = *e.Attrs
		}
		d.later = append(d.later, nameChange{d.events - 1, e.Names})
	}
}

func apply(names, change map[string]int) {
	for name, file := range change {
		if file == noFile {
			delete(names, name)
		} else {
			names[name] = file
		}
	}
}

func (f *diskFile) newest(n int64) *page {
	if v := f.later[n]; len(v) > 0 {
		return v[len(v)-1].page
	}
	if p := f.durable[n]; p != nil {
		return p
	}
	return zeroPage
}

func (f *diskFile) newestSize() int64 {
	if n := len(f.sizes); n > 0 {
		return f.sizes[n-1].size
	}
	return f.size
}

func (f *diskFile) write(event int, at int64, data []byte) {
	end := at + int64(len(data))
	for len(data) > 0 {
		n, in := at/pageBytes, at%pageBytes
		was := f.newest(n)
		next := *was
		done := copy(next[in:], data)
		if p := next.settled(); p != zeroPage || was != zeroPage {
			f.later[n] = append(f.later[n], version{event: event, page: p})
		}
		at, data = at+int64(done), data[done:]
	}
	if end > f.newestSize() {
		f.sizes = append(f.sizes, sizeVersion{event, end})
	}
}

func (f *diskFile) truncate(event int, size int64) {
	if size < f.newestSize() {
		pages := map[int64]bool{}
		for n := range f.durable {
			pages[n] = true
		}
		for n := range f.later {
			pages[n] = true
		}
		for n := range pages {
			if (n+1)*pageBytes > size {
				next := *f.newest(n)
				clear(next[max(0, size-n*pageBytes):])
				f.later[n] = append(f.later[n], version{event: event, page: next.settled()})
			}
		}
	}
	f.sizes = append(f.sizes, sizeVersion{event, size})
}

// sync makes durable what was there before the event begin: all pages that are
// dirty, each with all that was written to it.
func (f *diskFile) sync(begin int) {
	for n, versions := range f.later {
		last := noFile
		for i, v := range versions {
			if v.event < begin && !v.clean {
				last = i
			}
		}
		if last == noFile {
			continue
		}
		f.durable[n] = versions[last].page
		if f.later[n] = versions[last+1:]; len(f.later[n]) == 0 {
			delete(f.later, n)
		}
	}
	for len(f.sizes) > 0 && f.sizes[0].event < begin {
		f.size, f.sizes = f.sizes[0].size, f.sizes[1:]
	}
}

func (f *diskFile) syncAttrs(begin int) {
	for len(f.attrsLater) > 0 && f.attrsLater[0].event < begin {
		f.attrs, f.attrsLater = f.attrsLater[0].attrs, f.attrsLater[1:]
	}
}

func (f *diskFile) syncFailed(begin int) {
	for _, versions := range f.later {
		for i := range versions {
			versions[i].clean = versions[i].clean || versions[i].event < begin
		}
	}
}
