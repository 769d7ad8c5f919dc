package extlibs

import (
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"github.com/paularlott/scriptling/object"
)

// Dicts that scripts store mostly have the same few names as keys. Names that
// came lately are kept as what a dict needs of them, so that a dict that is read
// takes no memory for its names.

// fieldName is a text as the key of a dict. It never changes.
type fieldName struct {
	text   string
	key    string // in object.Dict.Pairs
	object *object.String
}

// Bounds of what is kept.
const (
	keptFieldNames    = 512
	maxFieldNameBytes = 32
	maxFieldsOfNames  = 32 // a dict with more entries than these is a table, and its keys are no names of fields
)

// fieldNames has two places for each name, by its hash. A name takes one when it
// was also the last that was not found, so that names which come once, such as
// ids, do not drive out the others. Chance decides between names that want the
// same, so that those which come in turns do not keep each other out for good.
type fieldNames struct {
	seed   maphash.Seed
	kept   [keptFieldNames]atomic.Pointer[fieldName]
	missed [keptFieldNames]atomic.Uint32 // part of the hash of the name that was last not found; 0: none
}

func newFieldNames() *fieldNames { return &fieldNames{seed: maphash.MakeSeed()} }

// keptNames are those of all stores: what a script stores under a name is not in
// them.
var keptNames = newFieldNames()

// find returns a name, or nil where it is not kept.
func (f *fieldNames) find(text string) *fieldName {
	if len(text) > maxFieldNameBytes {
		return nil
	}
	hash := maphash.String(f.seed, text)
	first, second := f.places(hash)
	if name := first.Load(); name != nil && name.text == text {
		return name
	}
	if name := second.Load(); name != nil && name.text == text {
		return name
	}
	return f.miss(text, hash)
}

func (f *fieldNames) places(hash uint64) (first, second *atomic.Pointer[fieldName]) {
	return &f.kept[hash%keptFieldNames], &f.kept[hash/keptFieldNames%keptFieldNames]
}

// miss takes note of a name that was not found, or keeps it now.
func (f *fieldNames) miss(text string, hash uint64) *fieldName {
	heads := rand.Uint32()%2 == 0
	missed, this := &f.missed[hash/keptFieldNames/keptFieldNames%keptFieldNames], uint32(hash>>32)
	if last := missed.Load(); last != this {
		if last == 0 || heads {
			missed.Store(this)
		}
		return nil
	}
	place, other := f.places(hash)
	if place.Load() != nil && (other.Load() == nil || heads) {
		place = other
	}
	text = strings.Clone(text) // it is a part of a value
	name := &fieldName{text, object.DictStringKey(text), object.NewString(text)}
	place.Store(name)
	return name
}
