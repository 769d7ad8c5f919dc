// Package sizes finds the biggest keys and prefixes of a store, in memory that depends on
// how many are wanted and on the longest keys only.
package sizes

import (
	"cmp"
	"slices"
	"strings"
)

// Sized is a key or a prefix with its size.
type Sized struct {
	Key    string `json:"key,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	Keys   int64  `json:"keys,omitempty"` // of a prefix
	Bytes  int64  `json:"bytes"`          // of keys and encoded values
	Type   string `json:"type,omitempty"` // of a key
}

// Top finds the biggest keys and prefixes among keys that it is given in their order. The
// prefixes of a key end with each of its separators, : and /.
type Top struct {
	Keys, Bytes int64 // of all keys

	keys     biggest
	prefixes prefixes
}

// NewTop returns a Top that finds the n biggest.
func NewTop(n int) *Top {
	return &Top{keys: biggest{n: n, list: []Sized{}}, prefixes: prefixes{largest: biggest{n: n, list: []Sized{}}}}
}

// Add adds a key with the type and the size of its encoded value. Keys come in ascending
// order. Top keeps no reference to key.
func (t *Top) Add(key, kind string, valueBytes int) {
	bytes := int64(len(key) + valueBytes)
	t.Keys++
	t.Bytes += bytes
	t.prefixes.add(key, bytes)
	t.keys.add(Sized{Key: key, Bytes: bytes, Type: kind})
}

// Biggest returns the biggest keys and prefixes, the biggest first. Nothing can be added
// afterwards.
func (t *Top) Biggest() (keys, prefixes []Sized) {
	t.prefixes.close(0)
	t.keys.cut()
	t.prefixes.largest.cut()
	return t.keys.list, t.prefixes.largest.list
}

// biggest keeps the n largest of what it gets.
type biggest struct {
	n    int
	list []Sized // at most 2n, in no order
	min  int64   // a smaller size is not among the largest
}

func (b *biggest) add(s Sized) {
	if s.Bytes <= b.min && len(b.list) >= b.n {
		return
	}
	s.Key, s.Prefix = strings.Clone(s.Key), strings.Clone(s.Prefix) // without the page that has them
	b.list = append(b.list, s)
	if len(b.list) >= 2*b.n {
		b.cut()
	}
}

// cut drops all but the n largest.
func (b *biggest) cut() {
	slices.SortStableFunc(b.list, func(x, y Sized) int { return cmp.Compare(y.Bytes, x.Bytes) })
	if len(b.list) > b.n {
		clear(b.list[b.n:])
		b.list = b.list[:b.n]
		b.min = b.list[b.n-1].Bytes
	}
}

// The separators of the parts of a key, and how many parts a prefix has at most.
const (
	Separators = ":/"
	MaxParts   = 8
)

// prefixes adds up prefixes of keys that come in order. Keys with one prefix are
// neighbours, so it holds the sums of one key's prefixes only, and the largest sums.
type prefixes struct {
	open    []Sized // prefixes of the last key, each one of the next
	largest biggest
}

func (p *prefixes) add(key string, bytes int64) {
	kept := 0
	for kept < len(p.open) && strings.HasPrefix(key, p.open[kept].Prefix) {
		kept++
	}
	p.close(kept)
	at := 0
	if kept > 0 {
		at = len(p.open[kept-1].Prefix)
	}
	for len(p.open) < MaxParts {
		i := strings.IndexAny(key[at:], Separators)
		if i < 0 {
			break
		}
		at += i + 1
		p.open = append(p.open, Sized{Prefix: key[:at]})
	}
	for i := range p.open {
		p.open[i].Keys++
		p.open[i].Bytes += bytes
	}
}

// close ends the sums from the i-th on. A prefix whose keys all have one longer prefix is left
// out.
func (p *prefixes) close(i int) {
	for j := i; j < len(p.open); j++ {
		if j+1 == len(p.open) || p.open[j+1].Keys != p.open[j].Keys {
			p.largest.add(p.open[j])
		}
	}
	p.open = p.open[:i]
}
