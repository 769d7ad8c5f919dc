// Package golden compares stores that earlier versions wrote with what they must hold.
package golden

import (
	"context"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// Want compares a store, whose clock says now, with the listing in folder for its name.
func Want(t *testing.T, h *extlibs.Handle, now time.Time, folder, store string) {
	t.Helper()
	if difference := firstDifference(listing(t, h, now), golden(t, folder, store)); difference != "" {
		t.Errorf("store %q: %s", store, difference)
	}
}

// listing lists a store as the golden listings do: a line for each key, in their order,
// with the value's type, and the year of its deadline. Long texts are cut.
func listing(t *testing.T, h *extlibs.Handle, now time.Time) []string {
	t.Helper()
	ctx := context.Background()
	items, err := h.Items(ctx, extlibs.ListOptions{})
	must(t, err)
	n, err := h.Count(ctx, "*")
	if err != nil || n != len(items) {
		t.Errorf("the store counts %d keys (%v) and lists %d", n, err, len(items))
	}
	lines := []string{}
	for _, item := range items {
		line := cut(item.Key) + " = " + cut(text(item.Value))
		ttl, err := h.TTL(ctx, item.Key)
		must(t, err)
		if ttl > 0 {
			line += fmt.Sprint(" until ", now.Add(ttl).UTC().Year())
		}
		lines = append(lines, line)
	}
	return lines
}

func cut(s string) string {
	if len(s) <= 100 {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes, CRC-32 %08x)", s[:20], len(s), crc32.ChecksumIEEE([]byte(s)))
}

// text shows a value with its types. The order of sets and dicts is not the store's.
func text(v any) string {
	list := func(name string, parts []string) string { return name + "(" + strings.Join(parts, ", ") + ")" }
	texts := func(values []any) (parts []string) {
		for _, v := range values {
			parts = append(parts, text(v))
		}
		return parts
	}
	switch v := v.(type) {
	case []any:
		return list("list", texts(v))
	case extlibs.Tuple:
		return list("tuple", texts(v))
	case extlibs.Set:
		return list("set", slices.Sorted(slices.Values(texts(v))))
	case map[string]any:
		d := extlibs.Dict{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			d = append(d, extlibs.Pair{Key: key, Value: v[key]})
		}
		return text(d)
	case extlibs.Dict:
		var parts []string
		for _, e := range v {
			parts = append(parts, text(e.Key)+": "+text(e.Value))
		}
		return list("dict", slices.Sorted(slices.Values(parts)))
	case string:
		return fmt.Sprintf("str(%q)", v)
	}
	return fmt.Sprintf("%T(%v)", v, v)
}

// golden returns the listing that a store of testdata/formats must have.
func golden(t *testing.T, folder, store string) (lines []string) {
	t.Helper()
	name := "written.txt"
	if strings.HasPrefix(store, "cleared") {
		name = "cleared.txt"
	}
	b, err := os.ReadFile(filepath.Join(folder, name))
	must(t, err)
	return slices.Collect(strings.SplitSeq(strings.TrimSuffix(string(b), "\n"), "\n"))
}

func firstDifference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("line %d is\n%s\nwant\n%s", i+1, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d lines, want %d", len(got), len(want))
	}
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
