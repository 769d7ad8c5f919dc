package hashtable

import (
	"fmt"
	"slices"
	"strings"
)

// Held returns the number of records, including expired ones.
func (t *Table) Held() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.keys
}

// Check returns an error if the table, the names, the deadlines and the counts do not agree.
// It walks all of them while writers wait, and is for tests only.
func (t *Table) Check() error {
	t.lockAll()
	defer t.unlockAll()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.settled() {
		return fmt.Errorf("%d tombstones are left, or a large batch is under way", t.tombstones)
	}
	keys, bytes, deadlines := 0, int64(0), 0
	var names []string
	for i := range t.shards {
		live, overflow := 0, 0
		if groups := t.shards[i].groups.Load(); groups != nil {
			for j := range *groups {
				g := &(*groups)[j]
				if g.tags.Load()&overflowFlag != 0 {
					overflow++
				}
				for k := range g.slots {
					r := g.slots[k].Load()
					if used := g.tags.Load()>>(8*k)&tagOccupied != 0; used != (r != nil) {
						return fmt.Errorf("shard %d: a slot's tag is %v, its record %v", i, used, r != nil)
					}
					if r == nil {
						continue
					}
					hash := t.hash(r.Key())
					if shardOf(hash) != i || t.shards[i].find(hash, r.Key()).record != r {
						return fmt.Errorf("key %q is not found where it is", r.Key())
					}
					if r.Tombstone() {
						return fmt.Errorf("key %q is a tombstone", r.Key())
					}
					live++
					bytes += r.Size()
					names = append(names, r.Key())
					if d := r.Deadline(); d != 0 {
						deadlines++
						if at := t.due.find(due{d, hash}); at < 0 || !slices.Contains(t.due.buckets[at], hash) {
							return fmt.Errorf("key %q is not among the deadlines", r.Key())
						}
						if d < t.due.soonest {
							return fmt.Errorf("key %q is due at %d, the soonest is said to be %d", r.Key(), d, t.due.soonest)
						}
					}
				}
			}
		}
		if live != t.shards[i].live || overflow != t.shards[i].overflow {
			return fmt.Errorf("shard %d counts %d records and %d full groups, has %d and %d", i, t.shards[i].live, t.shards[i].overflow, live, overflow)
		}
		keys += live
	}
	inBuckets := 0
	for _, b := range t.due.buckets {
		inBuckets += len(b)
	}
	bytes += t.names.deadBytes
	if keys != t.keys || bytes != t.bytes.Load() || deadlines != t.due.n || inBuckets != deadlines {
		return fmt.Errorf("counts are %d keys, %d bytes, %d deadlines (%d in buckets); there are %d, %d, %d",
			t.keys, t.bytes.Load(), t.due.n, inBuckets, keys, bytes, deadlines)
	}
	return t.checkNames(names)
}

// leafSlack is what a leaf may have beyond twice its content: what append adds to a
// small slice.
const leafSlack = 256

func (t *Table) checkNames(want []string) error {
	slices.Sort(want)
	n, last, deadBytes := 0, "", int64(0)
	if err := t.names.check(); err != nil {
		return err
	}
	for l := range t.names.ascending("") {
		if len(l.begins) == 0 || len(l.begins) > leafKeys {
			return fmt.Errorf("a leaf has %d names", len(l.begins))
		}
		if len(l.data) > leafBytes && len(l.begins) > 1 {
			return fmt.Errorf("a leaf of %d names has %d bytes", len(l.begins), len(l.data))
		}
		if cap(l.data) > 2*len(l.data)+leafSlack || cap(l.begins) > 2*len(l.begins)+leafSlack {
			return fmt.Errorf("a leaf has memory for %d bytes and %d names, and has %d and %d", cap(l.data), cap(l.begins), len(l.data), len(l.begins))
		}
		for i := range l.begins {
			name := l.key(i)
			if name <= last {
				return fmt.Errorf("name %q comes after %q", name, last)
			}
			last = name
			n++
			if len(want) > 0 && want[0] == name {
				want = want[1:]
			} else {
				deadBytes += deadSize(name)
			}
		}
	}
	if len(want) > 0 {
		return fmt.Errorf("key %q has no name", want[0])
	}
	if deadBytes != t.names.deadBytes {
		return fmt.Errorf("dead names count %d bytes, and are said to count %d", deadBytes, t.names.deadBytes)
	}
	if n != t.names.n || n-t.names.dead != t.keys {
		return fmt.Errorf("%d names, of which %d are dead, are said to be %d for %d keys", n, t.names.dead, t.names.n, t.keys)
	}
	return nil
}

// check returns an error unless each branch and each leaf is found by its first key.
func (x *names) check() error {
	if err := x.firsts.check("branches", len(x.branches), x.first); err != nil {
		return err
	}
	for _, b := range x.branches {
		if len(b.leaves) == 0 || len(b.leaves) > branchLeaves {
			return fmt.Errorf("a branch has %d leaves", len(b.leaves))
		}
		if cap(b.leaves) > 2*len(b.leaves)+leafSlack {
			return fmt.Errorf("a branch has memory for %d leaves, and has %d", cap(b.leaves), len(b.leaves))
		}
		if err := b.firsts.check("leaves", len(b.leaves), b.first); err != nil {
			return err
		}
	}
	return nil
}

func (f *firsts) check(what string, n int, first func(i int) string) error {
	if len(f.words) != n {
		return fmt.Errorf("%d %s have %d words", n, what, len(f.words))
	}
	for i, word := range f.words {
		if rest, ok := strings.CutPrefix(first(i), f.prefix); !ok || wordOf(rest) != word {
			return fmt.Errorf("number %d of %d %s: the word is %x after %q, but the first key is %q", i, n, what, word, f.prefix, first(i))
		}
	}
	return nil
}
