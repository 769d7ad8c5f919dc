package powercut

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
)

// State is a folder as a power cut may leave it.
type State struct {
	Files map[string]*Image
	What  string // in words, to find out why it cannot be opened
}

var hashSeed = maphash.MakeSeed()

// Hash tells states apart, within one process.
func (s *State) Hash() uint64 {
	type of struct {
		name      string
		page, sum int64
	}
	var sum uint64
	for name, image := range s.Files {
		sum += maphash.Comparable(hashSeed, of{name, -1, image.size})
		a := image.Attrs
		sum += maphash.Comparable(hashSeed, of{name, -2, int64(a.Mode)<<40 ^ int64(a.UID)<<20 ^ int64(a.GID)})
		for n, p := range image.pages { // in any order
			sum += maphash.Comparable(hashSeed, of{name, n, int64(maphash.Bytes(hashSeed, p[:]))})
		}
	}
	return sum
}

// headerEnd is where the meta data ends in its page: tears before it matter
// most.
const headerEnd = 80

// States returns states that a power cut at this moment may leave, about n of
// them: everything written or nothing of what was not synced; one page missing,
// or there alone; torn pages; names lost; and as many at random as there is room
// for. All of them have different choices, but may come to the same bytes.
func (d *Disk) States(random *rand.Rand, n int) []State {
	pages := d.dirty()
	var states []State
	add := func(c *choice, what string, args ...any) {
		states = append(states, State{Files: d.build(c), What: fmt.Sprintf(what, args...)})
	}
	all, none := d.allNames(true), d.allNames(false)
	add(&choice{newest: true}, "everything written")
	if len(pages) == 0 && len(d.later) == 0 && !d.sizesOpen() && len(d.attrsOpen()) == 0 {
		return states // nothing is uncertain
	}
	add(&choice{}, "nothing that was not synced")
	if len(d.later) > 0 {
		add(&choice{newest: true, names: none}, "everything written, all names lost")
		add(&choice{names: all}, "nothing written, all names")
	}
	if d.sizesOpen() {
		add(&choice{sizes: d.allSizes()}, "nothing written, but the files' lengths")
	}
	var more []func()
	for i := range d.later {
		more = append(more,
			func() {
				names := slices.Clone(all)
				names[i] = false
				add(&choice{newest: true, names: names}, "everything written, change %v of names lost", d.later[i].names)
			},
			func() {
				names := slices.Clone(all)
				clear(names[i:])
				add(&choice{newest: true, names: names}, "everything written, changes of names from %v on lost", d.later[i].names)
			})
	}
	for _, n := range d.attrsOpen() {
		more = append(more, func() {
			add(&choice{newest: true, attrs: map[int]int{n: 0}}, "everything written, owner and mode of file %d lost", n)
		})
	}
	for _, p := range pages {
		versions := len(d.files[p.file].later[p.page])
		one := func(s pageState) map[pageOf]pageState { return map[pageOf]pageState{p: s} }
		sectors := uint8(1)<<(1+random.IntN(pageSectors-1)) - 1 // the first ones
		bytes := 1 + random.IntN(headerEnd)
		more = append(more,
			func() {
				add(&choice{newest: true, pages: one(pageState{other: versions, bytes: bytes})}, "all, page %v torn: %d bytes new", p, bytes)
			},
			func() {
				add(&choice{newest: true, pages: one(pageState{version: versions, bytes: bytes})}, "all, page %v torn: %d bytes old", p, bytes)
			},
			func() { add(&choice{newest: true, pages: one(pageState{})}, "all but page %v", p) },
			func() {
				add(&choice{names: all, sizes: d.allSizes(), pages: one(pageState{version: versions})}, "page %v alone", p)
			},
			func() {
				add(&choice{newest: true, pages: one(pageState{other: versions, sectors: sectors})}, "all, page %v torn: sectors %08b new", p, sectors)
			},
			func() {
				add(&choice{names: all, sizes: d.allSizes(), pages: one(pageState{other: versions, sectors: sectors})}, "page %v alone, torn: sectors %08b new", p, sectors)
			},
			func() {
				add(&choice{newest: true, pages: one(pageState{version: versions, sectors: sectors})}, "all, page %v torn: sectors %08b old", p, sectors)
			})
	}
	random.Shuffle(len(more), func(i, j int) { more[i], more[j] = more[j], more[i] })
	for _, do := range more {
		if len(states) >= max(n*3/4, 3) {
			break
		}
		do()
	}
	for len(states) < n {
		c := d.random(random, pages)
		add(c, "at random: names %v, lengths %v, pages %v", c.names, c.sizes, c.pages)
	}
	return states
}

func (d *Disk) allNames(there bool) []bool {
	names := make([]bool, len(d.later))
	for i := range names {
		names[i] = there
	}
	return names
}

func (d *Disk) allSizes() map[int]int {
	sizes := map[int]int{}
	for n, f := range d.files {
		sizes[n] = len(f.sizes)
	}
	return sizes
}

func (d *Disk) sizesOpen() bool {
	for _, f := range d.files {
		if len(f.sizes) > 0 {
			return true
		}
	}
	return false
}

// attrsOpen lists the files whose owner and mode are not certain.
func (d *Disk) attrsOpen() (files []int) {
	for n, f := range d.files {
		if len(f.attrsLater) > 0 && d.mayBeNamed(n) {
			files = append(files, n)
		}
	}
	return files
}

func (d *Disk) random(random *rand.Rand, pages []pageOf) *choice {
	c := &choice{pages: map[pageOf]pageState{}, sizes: map[int]int{}, attrs: map[int]int{}, names: d.allNames(false)}
	for i := range c.names {
		c.names[i] = random.IntN(3) > 0
	}
	for n, f := range d.files {
		c.attrs[n] = random.IntN(len(f.attrsLater) + 1)
		c.sizes[n] = len(f.sizes)
		if len(f.sizes) > 0 && random.IntN(2) == 0 {
			c.sizes[n] = random.IntN(len(f.sizes) + 1)
		}
	}
	for _, p := range pages {
		versions := len(d.files[p.file].later[p.page])
		s := pageState{version: random.IntN(versions + 1)}
		switch random.IntN(12) {
		case 0, 1:
			s.other, s.sectors = random.IntN(versions+1), uint8(random.Uint32())
		case 2:
			s.other, s.bytes = random.IntN(versions+1), 1+random.IntN(headerEnd)
		}
		c.pages[p] = s
	}
	return c
}
