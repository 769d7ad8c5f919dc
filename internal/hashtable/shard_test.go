package hashtable

import (
	"fmt"
	"testing"
)

// Keys that crowd in few groups of a shard get more groups than others, so that a read of an
// absent key looks at few of them.
func TestAShardWhoseKeysCrowdGetsMoreGroups(t *testing.T) {
	const groups, keys = 8, 36
	if keys > roomIn(groups) {
		t.Fatalf("%d groups have room for %d keys", groups, roomIn(groups))
	}
	table := NewTable(Config{Now: func() int64 { return 1 }})
	var crowd []string
	for i := 0; len(crowd) < keys; i++ {
		if key := fmt.Sprint(i); shardOf(table.hash(key)) == 5 && table.hash(key)%groups == 0 {
			crowd = append(crowd, key)
			put(t, table, key, "v", 0)
		}
	}
	s := &table.shards[5]
	table.rebuild(s, keys)
	if n := len(*s.groups.Load()); n <= groups || tooFull(s.overflow, n) {
		t.Errorf("%d keys with the same group of %d have %d groups, of which %d overflow", keys, groups, n, s.overflow)
	}
	for _, key := range crowd {
		if table.Get(key) == nil {
			t.Errorf("key %q is lost", key)
		}
	}
	if err := table.Check(); err != nil {
		t.Error(err)
	}
}
