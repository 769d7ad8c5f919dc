//go:build linux && amd64

package robustness

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/tests/robustness/powercut"
)

const (
	stateVariable = "KV_STATE"
	maxKept       = 3 // states that one test keeps, and shows
)

// keptState describes a state that was found to be wrong. Its files are beside it, in a
// separate folder.
type keptState struct {
	Where, What, Wrong string
	Reader             string
	Attrs              map[string]powercut.Attrs // of the files
	At                 int64
	Alone, Kept        bool
	Allowed            map[string][]map[string]keptEntry // the worlds of each writer
}

type keptEntry struct {
	Value           string
	Earliest, Limit int64
}

// found notes a wrong state, and keeps it if it is one of the first.
func (x *examination) found(j job, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	text := fmt.Sprintf("%s: %s: %v", j.where, j.state.What, err)
	if len(x.wrong) < maxKept {
		dir, keepErr := x.keepState(j, text)
		text += fmt.Sprintf("; the state is kept in %s: repeat it with %s=%s go test -run TestAKeptStateIsRight ./tests/robustness", dir, stateVariable, dir)
		if keepErr != nil {
			text += fmt.Sprintf(" (%v)", keepErr)
		}
	}
	x.wrong = append(x.wrong, text)
}

func (x *examination) keepState(j job, wrong string) (dir string, err error) {
	if dir, err = x.keep(); err != nil {
		return dir, err
	}
	k := keptState{
		Where: j.where, What: j.state.What, Wrong: wrong, Reader: x.read, At: j.moment.at, Alone: j.moment.alone, Kept: j.moment.kept,
		Attrs: map[string]powercut.Attrs{}, Allowed: map[string][]map[string]keptEntry{},
	}
	for name, image := range j.state.Files {
		k.Attrs[name] = image.Attrs
	}
	for name, worlds := range j.moment.allowed {
		for _, w := range worlds {
			entries := map[string]keptEntry{}
			for key, e := range w {
				entries[key] = keptEntry{e.value, e.earliest, e.limit}
			}
			k.Allowed[name] = append(k.Allowed[name], entries)
		}
	}
	b, err := json.MarshalIndent(k, "", "\t")
	files := filepath.Join(dir, "files")
	return dir, errors.Join(err, os.WriteFile(filepath.Join(dir, "state.json"), b, 0o600), os.Mkdir(files, 0o700), fill(files, j.state.Files))
}

// readKept reads a state that was kept, and what was wrong with it.
func readKept(dir string) (x *examination, j job, wrong string, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		return nil, j, "", err
	}
	var k keptState
	if err := json.Unmarshal(b, &k); err != nil {
		return nil, j, "", err
	}
	j = job{powercut.State{Files: map[string]*powercut.Image{}, What: k.What}, &moment{at: k.At, alone: k.Alone, kept: k.Kept, allowed: map[string][]world{}}, k.Where}
	for name, attrs := range k.Attrs {
		content, err := os.ReadFile(filepath.Join(dir, "files", name))
		if err != nil {
			return nil, j, "", err
		}
		j.state.Files[name] = powercut.NewImage(content)
		j.state.Files[name].Attrs = attrs
	}
	for name, worlds := range k.Allowed {
		for _, entries := range worlds {
			w := world{}
			for key, e := range entries {
				w[key] = entry{e.Value, e.Earliest, e.Limit}
			}
			j.moment.allowed[name] = append(j.moment.allowed[name], w)
		}
	}
	return &examination{read: k.Reader}, j, k.Wrong, nil
}

// With KV_STATE: a state that a test kept.
func TestAKeptStateIsRight(t *testing.T) {
	dir := os.Getenv(stateVariable)
	if dir == "" {
		t.Skipf("%s names no state", stateVariable)
	}
	x, j, _, err := readKept(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.look(memoryDir(t), j); err != nil {
		t.Errorf("%s: %s: %v", j.where, j.state.What, err)
	}
}

func TestAWrongStateIsKeptAndFoundWrongAgain(t *testing.T) {
	w := plainLog("no sync")
	x := newExamination(t, w.read)
	kept := t.TempDir()
	x.keep = func() (string, error) { return os.MkdirTemp(kept, "state-*") }
	w.cutInto(t, x, 200)
	dirs, err := filepath.Glob(filepath.Join(kept, "state-*"))
	if err != nil || len(dirs) != min(maxKept, len(x.wrong)) || len(dirs) == 0 {
		t.Fatalf("%d wrong states, %d kept, %v", len(x.wrong), len(dirs), err)
	}
	for _, dir := range dirs {
		again, j, wrong, err := readKept(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.look(memoryDir(t), j); err == nil || !strings.HasSuffix(wrong, err.Error()) {
			t.Errorf("read again: %v; it was %s", err, wrong)
		}
	}
}

// Two runs with one seed choose the same.
func TestASeedRepeatsTheProgramsOfAWorkload(t *testing.T) {
	contents := func() map[string]string {
		dir := memoryDir(t)
		r, err := powercut.NewRecorder(dir)
		if err != nil {
			t.Fatal(err)
		}
		p := run("mixed", "1", "20")
		if err := p.run(r, dir, kvtest.Rand(t)); err != nil {
			t.Fatal(err)
		}
		seen, err := readStore(dir, time.Now())
		if err != nil || len(seen) == 0 {
			t.Fatal(len(seen), err)
		}
		return seen
	}
	first, second := contents(), contents()
	if fmt.Sprint(first) != fmt.Sprint(second) {
		t.Errorf("one seed wrote %v, then %v", first, second)
	}
}
