package hashtable

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// deadlines is the set of the keys that have a deadline, in buckets of neighbouring
// deadlines. A bucket holds its keys' hashes in no order: that is 8 bytes a key,
// and most changes of a deadline write to two lines of memory. What is in a
// bucket is looked up in the table when the bucket has to be split or is due.
type deadlines struct {
	from    []due // the least that each bucket may hold
	buckets [][]uint64
	n       int
	last    due   // no bucket holds more
	soonest int64 // no deadline is before it; never: there is none
}

// due is a deadline of a key. The hash comes in because any number of keys may
// share a deadline.
type due struct {
	deadline int64
	hash     uint64
}

const (
	bucketKeys = 256
	fewBuckets = 4
	never      = math.MaxInt64
)

func (a due) compare(b due) int {
	if c := cmp.Compare(a.deadline, b.deadline); c != 0 {
		return c
	}
	return cmp.Compare(a.hash, b.hash)
}

// find returns the bucket that d belongs to.
func (x *deadlines) find(d due) int {
	last := len(x.from) - 1
	if last < 0 || d.compare(x.from[last]) >= 0 {
		return last
	}
	return max(0, sort.Search(last, func(i int) bool { return d.compare(x.from[i]) < 0 })-1)
}

// add notes the deadline of a key, which is in the table already.
func (x *deadlines) add(t *Table, d due) {
	if x.n == 0 {
		x.begin(d)
	}
	x.n++
	x.soonest = min(x.soonest, d.deadline)
	at := x.find(d)
	if len(x.buckets[at]) >= bucketKeys {
		if at == len(x.buckets)-1 && d.compare(x.last) > 0 { // deadlines often come in their order
			x.from, x.buckets = append(x.from, d), append(x.buckets, nil)
			at++
		} else if x.split(t, at) {
			at = x.find(d)
		}
	}
	if d.compare(x.from[at]) < 0 {
		x.from[at] = d
	}
	if d.compare(x.last) > 0 {
		x.last = d
	}
	x.buckets[at] = append(x.buckets[at], d.hash)
}

// begin makes the first bucket, of what empty left of one where it can.
func (x *deadlines) begin(d due) {
	if cap(x.buckets) == 0 {
		x.buckets = append(x.buckets, nil)
	}
	x.buckets = x.buckets[:1]
	x.buckets[0] = x.buckets[0][:0]
	x.from, x.last, x.soonest = append(x.from[:0], d), d, d.deadline
}

// empty forgets the last deadline. Where there were few buckets their memory stays,
// so that a lone key whose deadline changes with each write takes none.
func (x *deadlines) empty() {
	if cap(x.from) > fewBuckets || cap(x.buckets) > fewBuckets {
		*x = deadlines{}
	}
	x.from, x.buckets, x.n, x.last, x.soonest = x.from[:0], x.buckets[:0], 0, due{}, never
}

// split divides a bucket in two. It fails where all of it is one and the same
// hash and deadline.
func (x *deadlines) split(t *Table, at int) bool {
	all := x.contents(t, at)
	if len(all) < 2 || all[0] == all[len(all)-1] {
		return false
	}
	slices.SortFunc(all, due.compare)
	cut := len(all) / 2
	for cut > 1 && all[cut] == all[cut-1] {
		cut--
	}
	part := func(all []due) []uint64 {
		hashes := make([]uint64, len(all), bucketKeys*3/4)
		for i, d := range all {
			hashes[i] = d.hash
		}
		return hashes
	}
	x.n += len(all) - len(x.buckets[at])
	x.buckets[at] = part(all[:cut])
	x.buckets = slices.Insert(x.buckets, at+1, part(all[cut:]))
	x.from = slices.Insert(x.from, at+1, all[cut])
	return true
}

// contents looks up the deadlines of a bucket.
func (x *deadlines) contents(t *Table, at int) []due {
	low, high := x.from[at], x.last
	if at+1 < len(x.from) {
		high = x.from[at+1]
	}
	all := make([]due, 0, len(x.buckets[at]))
	var f fetcher
	for hashes := range slices.Chunk(x.buckets[at], fetched) {
		f.fetch(t, hashes)
		for i, hash := range hashes {
			inside := func(r *Record) bool {
				d := due{r.Deadline(), hash}
				return d.deadline != 0 && d.compare(low) >= 0 && d.compare(high) <= 0
			}
			r := f.records[i]
			if r == nil || !inside(r) || t.hash(r.Key()) != hash {
				r = t.findHash(hash, inside).record
			}
			if r != nil {
				all = append(all, due{r.Deadline(), hash})
			}
		}
	}
	return all
}

// remove forgets a deadline.
func (x *deadlines) remove(d due) {
	at := x.find(d)
	if at < 0 {
		return
	}
	b := x.buckets[at]
	i := slices.Index(b, d.hash)
	if i < 0 {
		return
	}
	b[i] = b[len(b)-1]
	x.buckets[at] = b[:len(b)-1]
	if x.n--; x.n == 0 {
		x.empty()
	} else if len(b) <= bucketKeys/4 {
		x.merge(at)
	}
}

// merge joins a bucket that has few keys with a neighbour, if both fit.
func (x *deadlines) merge(at int) {
	if len(x.buckets[at]) == 0 {
		x.buckets = slices.Delete(x.buckets, at, at+1)
		x.from = slices.Delete(x.from, at, at+1)
		return
	}
	for _, first := range []int{at - 1, at} {
		if first < 0 || first+1 >= len(x.buckets) || len(x.buckets[first])+len(x.buckets[first+1]) > bucketKeys/2 {
			continue
		}
		x.buckets[first] = slices.Concat(x.buckets[first], x.buckets[first+1])
		x.buckets = slices.Delete(x.buckets, first+1, first+2)
		x.from = slices.Delete(x.from, first+1, first+2)
		return
	}
}

// passed counts the deadlines up to now: whole buckets by their length, and the
// one that now is in by its contents.
func (x *deadlines) passed(t *Table, now int64) (n int) {
	if x.n == 0 || now < x.soonest {
		return 0
	}
	at := x.find(due{now, math.MaxUint64})
	for _, b := range x.buckets[:at] {
		n += len(b)
	}
	if x.last.deadline <= now {
		return x.n
	}
	for _, d := range x.contents(t, at) {
		if d.deadline <= now {
			n++
		}
	}
	return n
}

// take removes some expired keys and returns their hashes, at most one bucket of them. If
// no key has expired it finds out when the next one will.
func (x *deadlines) take(t *Table, now int64) []uint64 {
	if x.n == 0 || now < x.soonest {
		return nil
	}
	if len(x.from) > 1 && x.from[1].deadline <= now || x.last.deadline <= now {
		b := x.buckets[0]
		cut := max(0, len(b)-bucketKeys)
		taken := b[cut:]
		x.n -= len(taken)
		if x.buckets[0] = b[:cut]; cut == 0 {
			x.dropFirst()
		}
		return taken
	}
	var taken, left []uint64
	soonest := int64(never)
	if len(x.from) > 1 {
		soonest = x.from[1].deadline
	}
	for _, d := range x.contents(t, 0) {
		if d.deadline <= now {
			taken = append(taken, d.hash)
		} else {
			left = append(left, d.hash)
			soonest = min(soonest, d.deadline)
		}
	}
	x.n += len(left) - len(x.buckets[0])
	x.soonest = soonest
	if x.buckets[0] = left; len(left) == 0 {
		x.dropFirst()
	}
	return taken
}

func (x *deadlines) dropFirst() {
	if x.n == 0 {
		*x = deadlines{soonest: never}
		return
	}
	x.buckets[0] = nil
	x.buckets, x.from = x.buckets[1:], x.from[1:]
	x.soonest = max(x.soonest, x.from[0].deadline)
}
