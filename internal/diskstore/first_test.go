package diskstore

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
)

// popFirst removes the first key of a range, and returns it and the rest of the range.
func popFirst(t *testing.T, s *Store, r Range) (key string, left Range) {
	t.Helper()
	err := s.Write(t.Context(), func(p *Plan) error {
		first, err := p.First(r)
		if err != nil {
			return err
		}
		left = s.planner.frontiers.of(r).left
		if key = first.Key; key == "" {
			return errEmpty
		}
		p.Make([]Change{{Key: first.Key, Was: first.State, Changed: true}})
		return nil
	})
	if err != nil && err != errEmpty {
		t.Fatal(err)
	}
	return key, left
}

var errEmpty = errors.New("empty")

// The frontier of a range follows the keys that are removed, and goes back for each that is
// stored in front of it, whichever way that takes: the log or the file.
func TestTheFrontierOfARangeFollowsItsFirstKey(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		s := openWithOptions(t, filepath.Join(t.TempDir(), "kv.db"), Options{Options: boltfile.Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, LogBytes: 1})
		defer s.Close()
		key := func(i int) string {
			if reverse {
				i = 999 - i
			}
			return fmt.Sprintf("q:%03d", i)
		}
		value := "v"
		put := func(keys ...string) {
			t.Helper()
			err := s.Write(t.Context(), func(p *Plan) error {
				changes := make([]Change, len(keys))
				for i := range keys {
					changes[i].Key = keys[i]
				}
				if err := p.Read(changes, false, nil); err != nil {
					return err
				}
				for i := range changes {
					changes[i].Next, changes[i].Changed = boltfile.State{Exists: true, Value: value}, true
				}
				p.Make(changes)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		r := Range{From: "q:", To: "q;", Reverse: reverse}
		for i := range 50 {
			put(key(100 + i))
		}
		value = strings.Repeat("x", 1<<20)
		put("other") // after a checkpoint: what is only in memory leaves nothing to pass over
		value = "v"
		for i := range 50 {
			got, left := popFirst(t, s, r)
			if got != key(100+i) {
				t.Fatalf("the first key is %q, want %q", got, key(100+i))
			}
			if i > 1 && left.contains(key(100+i-2)) {
				t.Fatalf("after %s is removed, %s is still visited: %+v", key(100+i-1), key(100+i-2), left)
			}
		}
		if got, _ := popFirst(t, s, r); got != "" {
			t.Fatalf("an empty range has %q", got)
		}
		put("other", "q;", "q9")
		put(key(120))
		put(key(110), key(130))
		for _, want := range []string{key(110), key(120), key(130), ""} {
			if got, _ := popFirst(t, s, r); got != want {
				t.Fatalf("the first key is %q, want %q", got, want)
			}
		}
		commits := s.Commits()
		value = strings.Repeat("x", 1<<20) // too large for the log
		put(key(115))
		if s.Commits() == commits {
			t.Error("the large value went into the log: this shows nothing")
		}
		if got, _ := popFirst(t, s, r); got != key(115) {
			t.Fatalf("after a large write the first key is %q, want %q", got, key(115))
		}
		value = "v"
		// Other ranges push it out, and it starts again.
		put(key(105))
		for i := range 3 * maxFrontiers {
			popFirst(t, s, Range{From: fmt.Sprint("r", i), To: fmt.Sprint("r", i, "x"), Reverse: reverse})
		}
		if n := len(s.planner.frontiers.ranges); n > maxFrontiers {
			t.Errorf("%d frontiers are kept", n)
		}
		if got, _ := popFirst(t, s, r); got != key(105) {
			t.Errorf("after other ranges the first key is %q", got)
		}
	}
}
