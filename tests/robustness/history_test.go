package robustness

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/scriptling-kv/extlibs/tests/robustness/powercut"
)

// note is what a program tells about one of its writers.
type note struct {
	Writer string            // the keys of a writer begin with this
	Begin  *change           `json:",omitempty"` // it is about to be made
	End    string            `json:",omitempty"` // done, failed or unknown
	Seen   map[string]string `json:",omitempty"` // all keys of the writer, as they were read
	Looked bool              `json:",omitempty"` // Seen is true
	Synced bool              `json:",omitempty"` // all that was done is on disk, whatever the mode
	Alone  bool              `json:",omitempty"` // from now on the file is all of the store
	Kept   bool              `json:",omitempty"` // from now on the log has the owner and the mode of the store
	Wrong  string            `json:",omitempty"` // what the program itself found

	Pops   bool   `json:",omitempty"` // a caller, of several, begins to remove the first key of the writer
	Popped string `json:",omitempty"` // the key that one of them has removed
}

const (
	done    = "done"
	failed  = "failed"  // certainly not done
	unknown = "unknown" // done or not, once and for all
)

// change is one call on a store.
type change struct {
	Sets    map[string]string `json:",omitempty"`
	TTL     time.Duration     `json:",omitempty"`
	Deletes []string          `json:",omitempty"`
	Clear   bool              `json:",omitempty"`
}

// entry is what a world says of a key.
type entry struct {
	value           string
	earliest, limit int64 // its deadline is between these; 0: none
}

// world is one content that a writer's keys may have.
type world map[string]entry

func (w world) after(c *change, begin, end int64) world {
	next := maps.Clone(w)
	if c.Clear {
		clear(next)
	}
	for key, value := range c.Sets {
		e := entry{value: value}
		if c.TTL > 0 {
			e.earliest, e.limit = begin+int64(c.TTL), end+int64(c.TTL)
		}
		next[key] = e
	}
	for _, key := range c.Deletes {
		delete(next, key)
	}
	return next
}

// withoutFirst returns the world after a call that removed its first key.
func (w world) withoutFirst() world {
	next := maps.Clone(w)
	if len(w) > 0 {
		delete(next, slices.Min(slices.Collect(maps.Keys(w))))
	}
	return next
}

// addWorlds adds each of more that worlds does not contain yet.
func addWorlds(worlds []world, more ...world) []world {
	for _, w := range more {
		if !slices.ContainsFunc(worlds, func(other world) bool { return maps.Equal(w, other) }) {
			worlds = append(worlds, w)
		}
	}
	return worlds
}

// differs says how what was read at a time differs from the world, or "".
func (w world) differs(seen map[string]string, at int64) string {
	for _, key := range slices.Sorted(maps.Keys(w)) {
		e := w[key]
		value, there := seen[key]
		switch {
		case there && value != e.value:
			return fmt.Sprintf("%s is %.20q, not %.20q", key, value, e.value)
		case there && e.limit != 0 && at >= e.limit:
			return fmt.Sprintf("%s is there, although it has expired", key)
		case !there && (e.limit == 0 || at < e.earliest):
			return fmt.Sprintf("%s is missing", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		if _, ok := w[key]; !ok {
			return fmt.Sprintf("%s is there", key)
		}
	}
	return ""
}

// step is what a writer's keys may be at a time, once its latest call has ended.
type step struct {
	at     int64
	worlds []world
}

// timeline is what a writer has been told.
type timeline struct {
	steps []step // each but the last only matters where writes may be lost
	doing *change
	begin int64
}

// history is what the writers of a store have been told so far.
type history struct {
	mayLose time.Duration // acknowledged writes of the last of it
	writers map[string]*timeline
	alone   bool
	kept    bool
}

func newHistory(mayLose time.Duration) *history {
	return &history{mayLose: mayLose, writers: map[string]*timeline{}}
}

func (h *history) writer(name string) *timeline {
	if h.writers[name] == nil {
		h.writers[name] = &timeline{steps: []step{{worlds: []world{{}}}}}
	}
	return h.writers[name]
}

func (t *timeline) last() []world { return t.steps[len(t.steps)-1].worlds }

func (t *timeline) step(at int64, worlds []world) {
	t.steps = append(t.steps, step{at, worlds})
}

// done returns the worlds in which what is being done has been done.
func (t *timeline) done(at int64) (worlds []world) {
	for _, w := range t.last() {
		worlds = append(worlds, w.after(t.doing, t.begin, at))
	}
	return worlds
}

// add takes in the next event of a record. An error is about what a program saw.
func (h *history) add(e *powercut.Event) error {
	switch e.Kind {
	case powercut.Killed:
		for _, t := range h.writers {
			if t.doing != nil {
				t.step(e.At, append(t.done(e.At), t.last()...))
				t.doing = nil
			}
		}
	case powercut.Note:
		var n note
		if err := json.Unmarshal([]byte(e.Text), &n); err != nil {
			return fmt.Errorf("note %q: %w", e.Text, err)
		}
		return h.take(&n, e.At)
	}
	return nil
}

func (h *history) take(n *note, at int64) error {
	if n.Alone || n.Kept {
		h.alone, h.kept = h.alone || n.Alone, h.kept || n.Kept
		return nil
	}
	t := h.writer(n.Writer)
	switch {
	case n.Wrong != "":
		return errors.New(n.Wrong)
	case n.Pops: // it can take effect from now on
		worlds := addWorlds(nil, t.last()...)
		for _, w := range t.last() {
			worlds = addWorlds(worlds, w.withoutFirst())
		}
		t.step(at, worlds)
	case n.Popped != "":
		worlds := slices.DeleteFunc(slices.Clone(t.last()), func(w world) bool { _, there := w[n.Popped]; return there })
		if len(worlds) == 0 {
			return fmt.Errorf("%s was removed, although it was not the first key", n.Popped)
		}
		t.step(at, worlds)
	case n.Begin != nil:
		t.doing, t.begin = n.Begin, at
	case n.End == done:
		t.step(at, t.done(at))
	case n.End == unknown:
		t.step(at, append(t.done(at), t.last()...))
	case n.Looked:
		var could []world
		why := ""
		for _, w := range t.last() {
			if d := w.differs(n.Seen, at); d == "" {
				could = append(could, w)
			} else {
				why = d
			}
		}
		if could == nil {
			return fmt.Errorf("a program that opened the store again saw that of writer %q %s", n.Writer, why)
		}
		t.step(at, could)
	case n.Synced:
		t.steps = t.steps[len(t.steps)-1:]
	}
	if n.End != "" {
		t.doing = nil
	}
	return nil
}

// moment is what a store must hold if the power is cut then.
type moment struct {
	at      int64
	allowed map[string][]world
	alone   bool
	kept    bool
}

// now freezes the history at a time.
func (h *history) now(at int64) *moment {
	m := &moment{at: at, allowed: map[string][]world{}, alone: h.alone, kept: h.kept}
	for name, t := range h.writers {
		first := len(t.steps) - 1
		for h.mayLose > 0 && first > 0 && t.steps[first].at > at-int64(h.mayLose) {
			first--
		}
		var worlds []world
		for _, s := range t.steps[first:] {
			worlds = append(worlds, s.worlds...)
		}
		if t.doing != nil {
			worlds = append(worlds, t.done(at)...)
		}
		m.allowed[name] = worlds
	}
	return m
}

// check compares what was read with what may be there.
func (m *moment) check(seen map[string]string) error {
	byWriter := map[string]map[string]string{}
	for name := range m.allowed {
		byWriter[name] = map[string]string{}
	}
	for key, value := range seen {
		name, _, _ := strings.Cut(key, "/")
		if byWriter[name] == nil {
			return fmt.Errorf("key %q belongs to no history", key)
		}
		byWriter[name][key] = value
	}
	for name, worlds := range m.allowed {
		why := ""
		for _, w := range worlds {
			if why = w.differs(byWriter[name], m.at); why == "" {
				break
			}
		}
		if why != "" {
			return fmt.Errorf("of writer %q %s (there are %d keys, %d contents would be right)", name, why, len(byWriter[name]), len(worlds))
		}
	}
	return nil
}
