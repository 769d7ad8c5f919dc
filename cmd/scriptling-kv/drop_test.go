package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// drop runs repair --drop-damaged and returns what it reports.
func (c *cli) drop(from, to string) (k kept, status int) {
	c.Helper()
	stdout, stderr, status := c.try("", "repair", from, to, "--drop-damaged", "--json")
	if err := json.Unmarshal([]byte(stdout), &k); err != nil {
		c.Fatalf("%v: %q %q", err, stdout, stderr)
	}
	return k, status
}

func TestRepairNamesTheNeighboursOfWhatItDrops(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	size, leaves, _ := c.pagesOf("a.db")
	c.change("a.db", "record.db", func(b []byte) []byte { b[leaves[3]*size+size/4] ^= 1; return b })
	c.change("a.db", "leaf.db", func(b []byte) []byte { clear(b[leaves[3]*size:][:size]); return b })
	for _, name := range []string{"record", "leaf"} {
		to := name + "-new.db"
		k, status := c.drop(name+".db", to)
		if status != exitIncomplete || k.File != to || k.Lost == nil || *k.Lost == 0 || k.Keys+*k.Lost != 3001 || len(k.Dropped) != 1 {
			t.Fatalf("%s: exit status %d, %+v", name, status, k)
		}
		part := k.Dropped[0]
		if part.After == nil || part.Before == nil || *part.After >= *part.Before || part.Why == "" {
			t.Fatalf("%s: %+v", name, part)
		}
		// All keys between the neighbours are missing, and no others.
		c.prints(fmt.Sprintln(k.Keys), "count", to)
		c.prints("", "keys", to, "--after", *part.After, "--before", *part.Before)
		between := c.ok("keys", "a.db", "--after", *part.After, "--before", *part.Before)
		if n := strings.Count(between, "\n"); int64(n) != *k.Lost {
			t.Errorf("%s: %d keys are between the neighbours, %d are lost", name, n, *k.Lost)
		}
		stdout, _, _ := c.try("", "repair", name+".db", "again-"+to, "--drop-damaged")
		if want := fmt.Sprintf("between %q and %q\n", *part.After, *part.Before); !strings.HasSuffix(stdout, want) {
			t.Errorf("%s: it printed %q", name, stdout)
		}
	}
	c.fails(exitFailed, "exists", "repair", "leaf.db", "leaf-new.db", "--drop-damaged")
	c.fails(exitFailed, "nothing to repair", "repair", "a.db", "whole.db", "--drop-damaged")
	c.noTemporaries()
}

func TestWhatIsDroppedAtTheEndsHasOneNeighbour(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	size, leaves, branches := c.pagesOf("a.db")
	first, last := leaves[0], leaves[len(leaves)-1]
	c.change("a.db", "ends.db", func(b []byte) []byte {
		clear(b[first*size:][:size])
		clear(b[last*size:][:size])
		return b
	})
	k, _ := c.drop("ends.db", "ends-new.db")
	if len(k.Dropped) != 2 || k.Dropped[0].After != nil || k.Dropped[0].Before == nil || k.Dropped[1].After == nil || k.Dropped[1].Before != nil {
		t.Errorf("%+v", k)
	}
	// The leaves below a damaged branch are found on unreachable pages.
	c.change("a.db", "branch.db", func(b []byte) []byte { clear(b[branches[0]*size:][:size]); return b })
	k, status := c.drop("branch.db", "branch-new.db")
	if k.Stray == 0 || k.Keys+*k.Lost != 3001 || status == 0 != (*k.Lost == 0) {
		t.Errorf("exit status %d, %+v", status, k)
	}
	c.prints(fmt.Sprintln(k.Keys), "count", "branch-new.db")
}

func TestRepairThatDropsKeepsOwnerAndPermissions(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	size, leaves, _ := c.pagesOf("a.db")
	c.change("a.db", "b.db", func(b []byte) []byte { clear(b[leaves[3]*size:][:size]); return b })
	if err := os.Chmod("b.db", 0o640); err != nil {
		t.Fatal(err)
	}
	c.drop("b.db", "new.db")
	if info, err := os.Stat("new.db"); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
}
