package main

import (
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

func TestAMistypedStoreOnAServerIsNoEmptyStore(t *testing.T) {
	c := newCLI(t)
	server := miniredis.RunT(t)
	url := "redis://" + server.Addr() + "/0"
	c.prints("", "stores", url)
	c.prints("[]\n", "stores", url, "--json")
	c.fails(exitFailed, "the server has none in this database", "count", url+"/app")
	c.ok("set", url+"/app", "k", "1")
	c.ok("set", url+"/app", "l", "1")
	c.ok("set", url+"/odd%1B%5B31m", "k", "1")
	c.prints("2\tapp\n1\t\"odd\\u001b[31m\"\n", "stores", url)
	c.prints(`[{"name":"app","keys":2},{"name":"odd\u001b[31m","keys":1}]`+"\n", "stores", url, "--json")
	before := strings.Join(server.Keys(), " ")
	for _, args := range [][]string{
		{"keys"}, {"get", "k"}, {"count"}, {"stat"}, {"ttl", "k"}, {"export"}, {"top"}, {"del", "k"}, {"expire", "k", "1"}, {"move", "new.db"},
	} {
		args = append([]string{args[0], url + "/ap"}, args[1:]...)
		c.fails(exitFailed, `there is no store redis://`+server.Addr()+`/0/ap; the server has "app", "odd`, args...)
	}
	if after := strings.Join(server.Keys(), " "); after != before {
		t.Errorf("the server has the keys %s, and had %s", after, before)
	}
	c.ok("del", url+"/app", "k", "l")
	c.prints("0\n", "count", url+"/app") // an empty store is still a store
}
