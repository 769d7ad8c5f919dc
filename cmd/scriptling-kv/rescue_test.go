package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/internal/wal"
	bolt "go.etcd.io/bbolt"
)

// fill makes a file of n keys in one commit, and of one more, "last", in the
// next.
func (c *cli) fill(path string, n int) {
	c.Helper()
	if err := fillStore(path, n); err != nil {
		c.Fatal(err)
	}
}

func fillStore(path string, n int) error {
	values := map[string]any{}
	for i := range n {
		values[fmt.Sprintf("k%05d", i)] = map[string]any{"n": i, "text": strings.Repeat("x", 100)}
	}
	// A close is a commit.
	for _, values := range []map[string]any{values, {"last": 1}} {
		r := extlibs.NewRegistry()
		h, err := r.Open(context.Background(), path)
		if err == nil {
			err = h.SetMany(context.Background(), values, 0)
		}
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return nil
}

// change writes a file with some of its bytes changed to another one.
func (c *cli) change(from, to string, change func(b []byte) []byte) {
	c.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, change(b), 0o600)
	}
	if err != nil {
		c.Fatal(err)
	}
}

// last reports on which half of the headers the last commit is.
func last(b []byte, size int) int {
	if binary.NativeEndian.Uint64(b[size+64:]) > binary.NativeEndian.Uint64(b[64:]) {
		return 1
	}
	return 0
}

// pagesOf returns the pages of the bucket data of the last commit, by kind.
func (c *cli) pagesOf(path string) (size int, leaves, branches []int) {
	c.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		c.Fatal(err)
	}
	defer db.Close()
	size = db.Info().PageSize
	b, err := os.ReadFile(path)
	if err != nil {
		c.Fatal(err)
	}
	var walk func(id int)
	walk = func(id int) {
		p := b[id*size:]
		if binary.NativeEndian.Uint16(p[8:]) == 2 {
			leaves = append(leaves, id)
			return
		}
		branches = append(branches, id)
		for i := range int(binary.NativeEndian.Uint16(p[10:])) {
			walk(int(binary.NativeEndian.Uint64(p[16+16*i+8:])))
		}
	}
	err = db.View(func(tx *bolt.Tx) error {
		walk(int(tx.Bucket([]byte("data")).Root()))
		return nil
	})
	if err != nil {
		c.Fatal(err)
	}
	return size, leaves, branches
}

func (c *cli) check(path string) (r report) {
	c.Helper()
	stdout, stderr, status := c.try("", "check", path, "--json")
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		c.Fatalf("%v: %q %q", err, stdout, stderr)
	}
	if (status == 0) != r.Whole || status != 0 && status != exitDamaged || r.Whole != (len(r.Damage) == 0) {
		c.Errorf("exit status %d, whole %v", status, r.Whole)
	}
	return r
}

// salvaged imports what can be saved of a file, and returns how many keys that
// gives.
func (c *cli) salvaged(path string) (lines int, stderr string) {
	c.Helper()
	stdout, stderr, status := c.try("", "export", path, "--salvage")
	complete := strings.HasSuffix(stderr, " saved; the file is undamaged\n") || strings.HasSuffix(stderr, "; 0 are lost\n")
	if want := map[bool]int{true: 0, false: exitIncomplete}[complete]; status != want {
		c.Fatalf("exit status %d, want %d, %s", status, want, stderr)
	}
	os.Remove("saved.db")
	if _, stderr, status := c.try(stdout, "import", "saved.db"); status != 0 {
		c.Fatal(stderr)
	}
	return strings.Count(stdout, "\n"), stderr
}

func TestCheckSaysThatAWholeFileIsWhole(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	if got := c.ok("check", "a.db"); !strings.HasPrefix(got, "undamaged: 3001 keys in ") {
		t.Errorf("check printed %q", got)
	}
	if r := c.check("a.db"); *r.Keys != 3001 || r.Readable != 3001 || *r.Lost != 0 || !r.Previous.Whole || r.Previous.Keys != 3000 {
		t.Errorf("%+v", r)
	}
	c.fails(exitFailed, "nothing to repair", "repair", "a.db", "b.db")
	if n, stderr := c.salvaged("a.db"); n != 3001 || stderr != "3001 records saved; the file is undamaged\n" {
		t.Errorf("%d lines, %q", n, stderr)
	}
	c.ok("set", "new.db", "k", "1")
	c.ok("del", "new.db", "k")
	if r := c.check("new.db"); !r.Whole || *r.Keys != 0 {
		t.Errorf("%+v", r)
	}
}

func TestADamagedLeafLosesItsRecordsAndNoOthers(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	size, leaves, _ := c.pagesOf("a.db")
	c.change("a.db", "record.db", func(b []byte) []byte { b[leaves[3]*size+size/4] ^= 1; return b })
	r := c.check("record.db")
	if *r.Lost != 1 || r.Readable != 3000 || len(r.Damage) != 1 || !strings.Contains(r.Damage[0], fmt.Sprintf("page %d ", leaves[3])) {
		t.Errorf("%+v", r)
	}
	if n, stderr := c.salvaged("record.db"); n != 3000 || !strings.Contains(stderr, "1 is lost") {
		t.Errorf("%d lines, %q", n, stderr)
	}
	c.change("a.db", "leaf.db", func(b []byte) []byte { clear(b[leaves[3]*size:][:size]); return b })
	n, _ := c.salvaged("leaf.db")
	if r := c.check("leaf.db"); *r.Lost == 0 || *r.Lost > 50 || int64(n)+*r.Lost != 3001 {
		t.Errorf("%d lines, %+v", n, r)
	}
}

func TestTheRecordsBelowADamagedBranchAreSaved(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	size, _, branches := c.pagesOf("a.db")
	c.change("a.db", "b.db", func(b []byte) []byte { clear(b[branches[0]*size:][:size]); return b })
	if r := c.check("b.db"); *r.Lost != 0 || r.Readable+r.Stray != 3001 || r.Stray < 1000 {
		t.Errorf("%+v", r)
	}
	if n, stderr := c.salvaged("b.db"); n != 3001 || !strings.Contains(stderr, "0 are lost") {
		t.Errorf("%d lines, %q", n, stderr)
	}
	c.prints("3001\n", "count", "saved.db")
	c.prints(c.ok("export", "a.db"), "export", "saved.db")
}

func TestAFileWithoutHeadersIsSavedAsFarAsItGoes(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	size, _, _ := c.pagesOf("a.db")
	c.change("a.db", "b.db", func(b []byte) []byte { clear(b[:2*size]); return b })
	if r := c.check("b.db"); r.Keys != nil || r.Lost != nil || r.Previous.Whole {
		t.Errorf("%+v", r)
	}
	c.try("", "export", "b.db", "--salvage", "-o", "saved.jsonl")
	if _, err := os.Stat("saved.jsonl"); err != nil {
		t.Error("what is saved in part has no file:", err)
	}
	if _, stderr := c.salvaged("b.db"); !strings.Contains(stderr, "the number of lost records is unknown") || !strings.Contains(stderr, "old values") {
		t.Errorf("%q", stderr)
	}
	c.prints("3001\n", "count", "saved.db")
	c.change("a.db", "half.db", func(b []byte) []byte { return b[:len(b)/2] })
	if r := c.check("half.db"); r.Readable+r.Stray < 500 {
		t.Errorf("%+v", r)
	}
	if n, _ := c.salvaged("half.db"); n < 500 {
		t.Errorf("%d saved", n)
	}
}

func TestRepairGoesBackToTheCommitBeforeAndLeavesTheFileAlone(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	size, _, branches := c.pagesOf("a.db")
	damage := map[string]func([]byte) []byte{
		"branch": func(b []byte) []byte { b[branches[0]*size+20] ^= 1; return b }, // the last commit rewrote it
		"header": func(b []byte) []byte { b[last(b, size)*size+40] ^= 1; return b },
	}
	for name, f := range damage {
		c.change("a.db", name+".db", f)
		before, err := os.ReadFile(name + ".db")
		if err != nil {
			t.Fatal(err)
		}
		if r := c.check(name + ".db"); !r.Previous.Whole || r.Previous.Keys != 3000 || r.Previous.Only != (name == "header") {
			t.Errorf("%s: %+v", name, r)
		}
		if got := c.ok("repair", name+".db", name+"-new.db"); !strings.Contains(got, "3000 keys") || !strings.Contains(got, "Lost: ") {
			t.Errorf("repair printed %q", got)
		}
		c.prints("3000\n", "count", name+"-new.db")
		c.fails(exitNoKey, "no key", "get", name+"-new.db", "last")
		c.ok("set", name+"-new.db", "last", "2")
		if r := c.check(name + "-new.db"); !r.Whole || *r.Keys != 3001 {
			t.Errorf("%+v", r)
		}
		c.fails(exitFailed, "exists", "repair", name+".db", name+"-new.db")
		if got := c.ok("repair", name+".db", name+"-json.db", "--json"); !strings.HasPrefix(got, `{"file":"`+name+`-json.db","keys":3000,"commit":`) {
			t.Errorf("repair printed %q", got)
		}
		if after, err := os.ReadFile(name + ".db"); err != nil || string(after) != string(before) {
			t.Error("repair changed the damaged file")
		}
	}
	c.change("a.db", "lost.db", func(b []byte) []byte { clear(b[2*size:]); return b })
	c.fails(exitDamaged, "damaged too", "repair", "lost.db", "x.db")
	if _, err := os.Stat("x.db"); err == nil {
		t.Error("a repair that failed left a file")
	}
}

func TestWhatIsNoStoreIsNotTakenForADamagedOne(t *testing.T) {
	c := newCLI(t)
	if err := os.WriteFile("text", []byte(strings.Repeat("no store\n", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open("other.db", 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte("things"))
		if err == nil {
			err = b.Put([]byte("k"), []byte("v"))
		}
		return err
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"text", "other.db"} {
		c.fails(exitFailed, "not a kv file", "check", path)
		c.fails(exitFailed, "not a kv file", "export", path, "--salvage")
		c.fails(exitFailed, "not a kv file", "repair", path, "new.db")
	}
	for _, args := range [][]string{{"check", "nosuch.db"}, {"check", "."}, {"repair", "nosuch.db", "x"}} {
		c.fails(exitFailed, "scriptling-kv: ", args...)
	}
	c.fails(exitUsage, "omit the flags", "export", "text", "--salvage", "--prefix", "a")
	c.fails(exitUsage, "need a file", "check", "redis://:secret@localhost/0/x")
}

func TestAnyDamagedByteIsFoundOrHarmlessAndNothingPanics(t *testing.T) {
	kvtest.OnceIn(t, 3)
	c := newCLI(t)
	c.fill("a.db", 120)
	b, err := os.ReadFile("a.db")
	if err != nil {
		t.Fatal(err)
	}
	step := 97
	if testing.Short() {
		step = 997
	}
	for at := 0; at < len(b); at += step {
		for _, x := range []byte{1, 0x80, 0xFF} {
			c.change("a.db", "b.db", func(b []byte) []byte { b[at] ^= x; return b })
			r := c.check("b.db")
			stdout, stderr, status := c.try("", "export", "b.db", "--salvage")
			if n := int64(strings.Count(stdout, "\n")); n < r.Readable || status != 0 && status != exitIncomplete || status == 0 && n != 121 {
				t.Fatalf("byte %d ^ %d: exit status %d, %d saved of %+v; %s", at, x, status, n, r, stderr)
			}
			if r.Whole && strings.Count(stdout, "\n") != 121 {
				t.Fatalf("byte %d ^ %d: a file that is called whole gives %d records", at, x, strings.Count(stdout, "\n"))
			}
			if _, _, status := c.try("", "count", "b.db"); r.Whole && status != 0 {
				t.Fatalf("byte %d ^ %d: a file that is called whole is not opened", at, x)
			}
		}
	}
}

func TestTheCommitOfALostHeaderIsSalvagedAndNotCalledComplete(t *testing.T) {
	for _, n := range []int{2, 3000} { // a small store lies in one page
		c := newCLI(t)
		c.fill("a.db", n)
		size, _, _ := c.pagesOf("a.db")
		cut := func(b []byte) []byte { b[last(b, size)*size+40] ^= 1; return b }
		c.change("a.db", "b.db", cut)
		if r := c.check("b.db"); r.Lost != nil || !r.Previous.Whole || !r.Previous.Only || r.Previous.Keys != int64(n) {
			t.Errorf("%d: %+v", n, r)
		}
		c.salvaged("b.db")
		c.prints(fmt.Sprintln(n+1), "count", "saved.db")
		c.prints("1\n", "get", "saved.db", "last")

		c.ok("compact", "a.db") // the commit before the last has the same keys
		c.change("a.db", "b.db", cut)
		if r := c.check("b.db"); r.Lost != nil || !r.Previous.Whole || r.Previous.Keys != int64(n+1) {
			t.Errorf("%d: %+v", n, r)
		}
		c.salvaged("b.db")
		c.prints(fmt.Sprintln(n+1), "count", "saved.db")
	}
}

// crashed makes to what the end of a process would leave of a store that has n keys
// in its file, and one in its log.
func (c *cli) crashed(to string, n int) {
	c.Helper()
	c.fill("live.db", n)
	r := extlibs.NewRegistry()
	h, err := r.Open(c.Context(), "live.db")
	if err != nil {
		c.Fatal(err)
	}
	if err := h.Set(c.Context(), "in the log", 1, 0); err != nil {
		c.Fatal(err)
	}
	for _, name := range []string{"", wal.Suffix} {
		c.change("live.db"+name, to+name, func(b []byte) []byte { return b })
	}
	if err := r.Close(); err != nil {
		c.Fatal(err)
	}
}

func TestCheckAndSalvageSayWhatTheLogHas(t *testing.T) {
	c := newCLI(t)
	c.crashed("b.db", 3)
	if got := c.ok("check", "b.db"); !strings.Contains(got, "undamaged: 4 keys") || !strings.Contains(got, `scriptling-kv compact "b.db"`) {
		t.Errorf("check printed %q", got)
	}
	c.fails(exitFailed, `scriptling-kv check "b.db"`, "repair", "b.db", "new.db")
	for name, damage := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:4096] },
		"foreign": func(b []byte) []byte { return bytes.Repeat([]byte("text"), len(b)/4) },
	} {
		c.change("b.db", name+".db", func(b []byte) []byte { return b })
		c.change("b.db-log", name+".db-log", damage)
		if got, stderr, status := c.try("", "check", name+".db"); status != exitDamaged || !strings.Contains(got, "--salvage") || strings.Contains(got, "compact") {
			t.Errorf("check with a log that is %s printed %q %q, exit status %d", name, got, stderr, status)
		}
	}
	if n, stderr, status := c.try("", "export", "b.db", "--salvage"); status != exitIncomplete || !strings.Contains(stderr, "its log") {
		t.Errorf("%q, %q, exit status %d", n, stderr, status)
	}
	c.prints("5\n", "count", "b.db") // reads the log too, and changes nothing
	c.ok("compact", "b.db")          // as check advises
	if got := c.ok("check", "b.db"); !strings.HasPrefix(got, "undamaged: 5 keys") || strings.Contains(got, "log") {
		t.Errorf("check printed %q", got)
	}
	c.salvaged("b.db")
	if got := c.ok("check", "live.db"); strings.Contains(got, "log") {
		t.Errorf("check of a store that was closed printed %q", got)
	}
}

func TestATornHeaderIsMendedAsCheckAdvises(t *testing.T) {
	c := newCLI(t)
	c.crashed("b.db", 3)
	c.change("b.db", "b.db", func(b []byte) []byte {
		size := int(binary.LittleEndian.Uint32(b[24:]))
		b[last(b, size)*size+16+40] ^= 1
		return b
	})
	advice := `scriptling-kv compact "b.db"`
	if got, _, status := c.try("", "check", "b.db"); status != exitDamaged || !strings.Contains(got, advice) {
		t.Errorf("check printed %q, exit status %d", got, status)
	}
	c.ok("compact", "b.db")
	if got := c.ok("check", "b.db"); !strings.HasPrefix(got, "undamaged: 5 keys") {
		t.Errorf("check printed %q", got)
	}
}

func TestAFileWhoseLogIsLostCanBeSalvaged(t *testing.T) {
	c := newCLI(t)
	c.crashed("b.db", 3)
	if err := os.Remove("b.db-log"); err != nil {
		t.Fatal(err)
	}
	c.fails(exitFailed, "b.db-log", "count", "b.db")
	if got, stderr, status := c.try("", "check", "b.db"); status != exitDamaged || !strings.Contains(got, "does not exist") || !strings.Contains(got, "--salvage") || !strings.Contains(stderr, "needs a log") {
		t.Errorf("check printed %q %q, exit status %d", got, stderr, status)
	}
	c.fails(exitFailed, "needs its log", "repair", "b.db", "new.db")
	if _, stderr, status := c.try("", "export", "b.db", "--salvage", "-o", "saved.jsonl"); status != exitIncomplete {
		t.Fatalf("exit status %d, %s", status, stderr)
	}
	c.ok("import", "new.db", "saved.jsonl")
	c.prints("4\n", "count", "new.db")
}

func TestNoStoreIsMadeBesideALogThatAnotherFileNeeds(t *testing.T) {
	c := newCLI(t)
	c.crashed("b.db", 3)
	c.ok("backup", "live.db", "monday.db")
	if err := os.Rename("b.db", "aside.db"); err != nil {
		t.Fatal(err)
	}
	c.ok("export", "live.db", "-o", "live.jsonl")
	for _, command := range [][]string{
		{"restore", "monday.db", "b.db"}, {"set", "b.db", "k", "1"}, {"import", "b.db", "live.jsonl"}, {"move", "live.db", "b.db"},
	} {
		c.fails(exitFailed, "b.db-log", command...)
	}
	if err := os.Rename("b.db-log", "aside.db-log"); err != nil {
		t.Fatal(err)
	}
	c.prints("5\n", "count", "aside.db")
	c.ok("restore", "monday.db", "b.db")
	c.fails(exitUsage, "-log", "backup", "live.db", "x.db-log")
}
