package hashtable

import "math/bits"

// fetched is how many records are looked up at once.
const fetched = 32

// fetcher looks up records by hash in passes, so that the processor waits for
// several lines of memory at the same time: one key after the other would wait
// for each of them.
type fetcher struct {
	groups  [fetched]*group
	slots   [fetched]uint8
	records [fetched]*Record // nil: none, or not where it was looked for
	touched uint8
}

// fetch looks at the first slot with the right tag of each hash, up to fetched of
// them. It is most often the right one; the caller has to check, and to look
// again where it is not.
func (f *fetcher) fetch(t *Table, hashes []uint64) {
	var tags [fetched]uint64
	for i, hash := range hashes {
		f.groups[i], f.records[i] = nil, nil
		if groups := t.shard(hash).groups.Load(); groups != nil {
			f.groups[i] = &(*groups)[hash&uint64(len(*groups)-1)]
		}
	}
	for i := range hashes {
		if f.groups[i] != nil {
			tags[i] = f.groups[i].tags.Load()
		}
	}
	for i, hash := range hashes {
		if m := matches(tags[i], tagOf(hash)*tagOnes); m != 0 {
			f.slots[i] = uint8(bits.TrailingZeros64(m) / 8)
			f.records[i] = f.groups[i].slots[f.slots[i]].Load()
		}
	}
	for i := range hashes {
		if r := f.records[i]; r != nil {
			f.touched += r.flags
		}
	}
}
