package hashtable

import (
	"math"
	"unsafe"
)

// Arena is memory for the scalars of one dict or list, which are handed out without being
// copied: one allocation for several of them takes less time than one for each. A block
// of an arena stays in memory as long as one of its scalars. The zero Arena is empty.
type Arena struct {
	texts   []string
	numbers []uint64
}

const maxBlock = 16 // scalars of one block

// Text returns a pointer to a copy of s in the current block. If that is full, it allocates
// one for about more further texts.
func (a *Arena) Text(s string, more int) *string {
	if len(a.texts) == 0 {
		a.texts = make([]string, min(1+more, maxBlock))
	}
	p := &a.texts[0]
	*p, a.texts = s, a.texts[1:]
	return p
}

// Int is Text for ints.
func (a *Arena) Int(i int64, more int) *int64 {
	return (*int64)(a.number(uint64(i), more))
}

// Float is Text for floats.
func (a *Arena) Float(f float64, more int) *float64 {
	return (*float64)(a.number(math.Float64bits(f), more))
}

func (a *Arena) number(bits uint64, more int) unsafe.Pointer {
	if len(a.numbers) == 0 {
		a.numbers = make([]uint64, min(1+more, maxBlock))
	}
	p := &a.numbers[0]
	*p, a.numbers = bits, a.numbers[1:]
	return unsafe.Pointer(p)
}
