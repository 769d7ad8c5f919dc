package diskstore

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// movedAway returns the path of a store that was not closed, whose log was renamed because
// another store took its name, and the name of that log. The other store is closed.
func movedAway(t *testing.T) (path, aside string) {
	t.Helper()
	path = storeName(t)
	file, log := crashed(t, 20)
	writeFile(t, path+"-log", log)
	other := mustOpen(t, path)
	if err := errors.Join(other.set("another", 1), other.Close()); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(path + "-log-*")
	if err != nil || len(logs) != 1 {
		t.Fatalf("logs aside are %q, %v", logs, err)
	}
	writeFile(t, path, file)
	return path, logs[0]
}

func TestAStoreFindsItsLogThatWasRenamed(t *testing.T) {
	_, otherLog := crashed(t, 3)
	for _, name := range []string{"free", "taken", "a folder aside"} {
		for _, o := range [][]option{{readOnly()}, nil} {
			path, aside := movedAway(t)
			if name == "taken" {
				writeFile(t, path+"-log", otherLog)
			}
			if n, err := prefixOf(t, path, o...); n != 20 || err != nil {
				t.Errorf("the log's name is %s: %d keys, %v", name, n, err)
			}
			left, err := filepath.Glob(path + "-log*")
			if err != nil {
				t.Fatal(err)
			}
			renamed := len(left) == 0 || left[0] != aside && name != "taken"
			if renamed != (o == nil) && name != "taken" {
				t.Errorf("the log's name is %s: %q is left", name, left)
			}
		}
	}
}

func TestALogAsideThatCannotBeNamedIsLeftThere(t *testing.T) {
	for act, want := range map[access.Act]error{access.ActRename: kverr.Full, access.ActOpen: kverr.Corrupt} {
		path, aside := movedAway(t)
		_, err := open(path, hook(func(a access.Act, name string) error {
			if a == act && strings.Contains(name, "-log") {
				return kverr.Errorf(want, "refused by the test")
			}
			return nil
		}))
		if !errors.Is(err, want) {
			t.Errorf("%s fails: %v", act, err)
		}
		if logs, err := filepath.Glob(path + "-log*"); err != nil || len(logs) != 1 || logs[0] != aside {
			t.Errorf("%s fails: %q, %v", act, logs, err)
		}
	}
}

// mounted is the hook for a file that is mounted by itself.
func mounted(act access.Act, _ string) error {
	if act == access.ActMount {
		return errors.New("mounted")
	}
	return nil
}

func TestAFileThatIsMountedByItselfIsRecoveredAndNeedsNoLogFromThenOn(t *testing.T) {
	file, log := crashed(t, 20)
	path := storeName(t)
	writeFile(t, path, file)
	if d, err := open(path, hook(mounted)); !errors.Is(err, kverr.Corrupt) || !strings.Contains(err.Error(), "mount that folder") {
		t.Errorf("without its log: %v, %v", d, err)
	}
	writeFile(t, path+"-log", log)
	d := mustOpen(t, path, hook(mounted))
	if err := d.set("020", 20); err != nil {
		t.Error(err)
	}
	if logs, err := filepath.Glob(path + "-log*"); len(logs) != 0 || err != nil {
		t.Errorf("there is %q, %v", logs, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if n, err := prefixOf(t, path, readOnly()); n != 21 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
}

// A replay that reaches the limit of the memtable writes to the file what it has read.
func TestAReplayOfALargeLogGoesToTheFileInParts(t *testing.T) {
	for _, c := range []struct {
		memtable int64
		opts     []option
		err      error
	}{
		{1000, nil, nil},
		{1000, []option{readOnly()}, kverr.TooLarge},
		{1 << 20, []option{readOnly()}, nil},
		{1000, []option{maxBytes(100 << 10)}, nil}, // a full file
	} {
		file, log := crashed(t, 60)
		path := storeName(t)
		writeFile(t, path, file)
		writeFile(t, path+"-log", log)
		n, err := prefixOf(t, path, append(c.opts, parts(Parts{Memtable: c.memtable}))...)
		if !errors.Is(err, c.err) || err == nil && n != 60 {
			t.Errorf("%+v: %d keys, %v", c, n, err)
		}
	}
}
