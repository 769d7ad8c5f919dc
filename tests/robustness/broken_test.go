//go:build linux && amd64

package robustness

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/tests/robustness/powercut"
)

// Stores that keep their promises less well, in ways that are known to lose
// writes. The tests must find a fault in each of them, and none in correct
// stores.

// Arguments of the program "plain log".
const (
	neverSyncs   = "no sync"
	syncsBefore  = "sync before the write"
	nameUnsynced = "name not synced"
	oneByOne     = "one by one"
	syncsAtOpen  = "sync when opened" // no fault: what is read is durable
)

func plainPath(dir string) string { return filepath.Join(dir, "plain.db") }

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func syncFolder(dir string) {
	f, err := os.Open(dir)
	exitOn(err)
	exitOn(f.Sync())
	exitOn(f.Close())
}

// plainProgram makes batches of sets, and tells of them.
func plainProgram(seen map[string]string, put func(map[string]string), oneByOne bool) {
	tell(note{Writer: "w0", Seen: seen, Looked: true})
	w := newWriter("w0")
	for range 8 {
		c := w.setMany()
		tell(note{Writer: "w0", Begin: &c})
		if oneByOne {
			for key, value := range c.Sets {
				put(map[string]string{key: value})
			}
		} else {
			put(c.Sets)
		}
		tell(note{Writer: "w0", End: done})
	}
}

func init() {
	programs["nothing"] = func(string, ...string) { powercut.Enter() }

	// A log: length, checksum and batch, one after the other.
	programs["plain log"] = func(dir string, args ...string) {
		powercut.Enter()
		does := func(what string) bool { return slices.Contains(args, what) }
		f, err := os.OpenFile(plainPath(dir), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
		exitOn(err)
		if !does(nameUnsynced) {
			syncFolder(dir)
		}
		if does(syncsAtOpen) {
			exitOn(f.Sync())
		}
		seen, err := readLog(dir, time.Time{})
		exitOn(err)
		plainProgram(seen, func(sets map[string]string) {
			batch, _ := json.Marshal(sets)
			rec := binary.BigEndian.AppendUint32(nil, uint32(len(batch)))
			rec = binary.BigEndian.AppendUint32(rec, crc32.ChecksumIEEE(batch))
			if does(syncsBefore) {
				exitOn(f.Sync())
			}
			_, err := f.Write(append(rec, batch...))
			exitOn(err)
			if !does(neverSyncs) && !does(syncsBefore) {
				exitOn(f.Sync())
			}
		}, does(oneByOne))
	}
}

func readLog(dir string, _ time.Time) (map[string]string, error) {
	seen := map[string]string{}
	log, err := os.ReadFile(plainPath(dir))
	if errors.Is(err, os.ErrNotExist) {
		return seen, nil
	}
	for len(log) > 8 {
		n, sum := int(binary.BigEndian.Uint32(log)), binary.BigEndian.Uint32(log[4:])
		if log = log[8:]; n == 0 || n > len(log) || crc32.ChecksumIEEE(log[:n]) != sum {
			break
		}
		if err := json.NewDecoder(bytes.NewReader(log[:n])).Decode(&seen); err != nil {
			return nil, err
		}
		log = log[n:]
	}
	return seen, err
}

func plainLog(how ...string) workload {
	return workload{read: "log", uncut: 1, processes: always(run("nothing"), run("plain log", how...))}
}

// killedLog is a log whose first process was killed before a sync.
func killedLog(how ...string) workload {
	w := plainLog(how...)
	w.processes = func(random *rand.Rand) []process {
		p := run("plain log", how...)
		return []process{run("nothing"), killedAt(random, p, "sync", 8), p}
	}
	return w
}

func TestAPowerCutShowsTheFaultsOfAStore(t *testing.T) {
	for name, test := range map[string]struct {
		workload workload
		faulty   bool
	}{
		"a log without fault":                      {plainLog(), false},
		"writes that are acknowledged and no sync": {plainLog(neverSyncs), true},
		"a sync before the write":                  {plainLog(syncsBefore), true},
		"a name that is not made durable":          {plainLog(nameUnsynced), true},
		"batches in several parts":                 {plainLog(oneByOne), true},
		"a log that is synced before it is read":   {killedLog(syncsAtOpen), false},
		"a log that is read as it was found":       {killedLog(), true},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExamination(t, test.workload.read)
			if test.faulty {
				kept := t.TempDir() // not for longer
				x.keep = func() (string, error) { return os.MkdirTemp(kept, "state-*") }
			}
			test.workload.cutInto(t, x, statesOfTest(1000))
			switch {
			case test.faulty && x.wrong == nil:
				t.Error("nothing was found")
			case test.faulty:
				t.Logf("found %d times: %s", len(x.wrong), x.wrong[0])
			case x.wrong != nil:
				t.Errorf("found %d times: %s", len(x.wrong), x.wrong[0])
			}
		})
	}
}
