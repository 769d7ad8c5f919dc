package extlibs

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/glob"
)

// It counts the keys that are visited.
func TestAPatternWithALiteralPrefixLooksOnlyAtTheKeysUnderIt(t *testing.T) {
	t.Parallel()
	m := newMemory(newOptions(nil))
	defer m.Close()
	var ops []Op
	for i := range 20000 {
		ops = append(ops, Op{Kind: OpSet, Key: fmt.Sprintf("%c:%05d", 'a'+i%20, i), Value: encodeInt(1)})
	}
	if _, err := m.ApplyMany(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		pattern string
		most    int
	}{
		{"a:*7", 1000}, {"a:[0-9]*", 1000}, {"a:0010?", 10}, {"a:{00,01}*0", 1000}, {"none:*x", 0},
	} {
		p, err := glob.Compile(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		looked := 0
		var found []string
		for r := (Range{Prefix: p.Prefix, Match: func(key string) bool { looked++; return p.Match(key) }}); ; {
			page, err := m.Scan(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Entries {
				found = append(found, e.Key)
			}
			if !page.More {
				break
			}
			r.After = page.Next
		}
		if looked > tt.most {
			t.Errorf("%q visited %d keys, want no more than %d", tt.pattern, looked, tt.most)
		}
		want := 0
		for _, op := range ops {
			if p.Selects(op.Key) {
				want++
			}
		}
		if len(found) != want || !slices.IsSorted(found) {
			t.Errorf("%q found %d keys, want %d", tt.pattern, len(found), want)
		}
	}
}

func TestALoneBraceOverManyKeysIsErrInvalidAtOnce(t *testing.T) {
	r := NewRegistry()
	defer r.Close()
	h := r.Default()
	values := map[string]any{}
	for i := range 10_000 {
		values[fmt.Sprint(i)] = i
	}
	if err := h.SetMany(t.Context(), values, 0); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"0{", "0{1", "[", `0\`} {
		if keys, err := h.Keys(t.Context(), ListOptions{Pattern: text}); !errors.Is(err, ErrInvalid) || keys != nil {
			t.Errorf("Keys of %q: %d keys, %v", text, len(keys), err)
		}
		if n, err := h.Count(t.Context(), text); !errors.Is(err, ErrInvalid) || n != 0 {
			t.Errorf("Count of %q: %d, %v", text, n, err)
		}
	}
}
