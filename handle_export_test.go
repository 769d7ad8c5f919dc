package extlibs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// someValues has a value of each type.
func someValues() map[string]any {
	return map[string]any{
		"none": nil, "bool": true, "int": int64(-7), "float": 1.0, "inf": math.Inf(1), "text": "é\n\x00", "raw text": "\xff", "bytes": []byte{0, 255},
		"list": []any{int64(1), []any{}}, "tuple": extlibs.Tuple{int64(1)}, "set": extlibs.Set{"a"}, "dict": map[string]any{"b": int64(2), "a": nil},
		"$dict": map[string]any{"$set": "x"}, "int keys": extlibs.Dict{{Key: int64(1), Value: "one"}},
	}
}

func export(t *testing.T, h *extlibs.Handle, opts ...extlibs.ExportOption) string {
	t.Helper()
	var b bytes.Buffer
	n, err := h.Export(ctx, &b, opts...)
	if err != nil || n != strings.Count(b.String(), "\n") {
		t.Fatalf("%d entries, %v", n, err)
	}
	return b.String()
}

// everything returns the values and times left of a store.
func everything(t *testing.T, h *extlibs.Handle) map[string]any {
	t.Helper()
	all := map[string]any{}
	for item, err := range h.All(ctx, extlibs.ListOptions{}) {
		must(t, err)
		left, err := h.TTL(ctx, item.Key)
		must(t, err)
		all[item.Key] = []any{item.Value, left}
	}
	return all
}

func TestAnExportOfAnyStoreIsImportedIntoAnyOther(t *testing.T) {
	t.Parallel()
	clock := newClock()
	forEachBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t, clock.option())
		h := mustOpen(t, r, b.storeName(t))
		for key, v := range someValues() {
			must(t, h.Set(ctx, key, v, 0))
		}
		must(t, h.Set(ctx, "mortal", 1, 90*time.Second+500*time.Millisecond))
		must(t, h.Set(ctx, "brief", 1, extlibs.MinTTL))
		for i := range 3000 { // several pages
			must(t, h.Sub("many:").Set(ctx, fmt.Sprintf("%05d", i), i, 0))
		}
		text := export(t, h)
		for _, other := range backends {
			t.Run("into "+other.name, func(t *testing.T) {
				to := other.open(t, clock.option())
				must(t, to.Set(ctx, "int", "is replaced", time.Hour))
				n, err := to.Import(ctx, strings.NewReader(text))
				if err != nil || n != 3000+len(someValues())+2 {
					t.Fatalf("%d entries, %v", n, err)
				}
				if got, want := everything(t, to), everything(t, h); !reflect.DeepEqual(got, want) {
					for key := range want {
						if !reflect.DeepEqual(got[key], want[key]) {
							t.Errorf("%s became %v, want %v", key, got[key], want[key])
						}
					}
				}
			})
		}
	})
}

func TestAViewIsExportedWithoutItsPrefix(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		must(t, h.Set(ctx, "a:1", 1, 0))
		must(t, h.Set(ctx, "a:2", "two", 0))
		must(t, h.Set(ctx, "b:1", 1, 0))
		text := export(t, h.Sub("a:"))
		if want := "{\"key\":\"1\",\"value\":1}\n{\"key\":\"2\",\"value\":\"two\"}\n"; text != want {
			t.Errorf("the view is exported as %s", text)
		}
		if n, err := h.Sub("c:").Sub("d:").Import(ctx, strings.NewReader(text)); n != 2 || err != nil {
			t.Errorf("%d entries, %v", n, err)
		}
		if v, err := h.Get(ctx, "c:d:2"); v != "two" || err != nil {
			t.Errorf("the imported key is %v, %v", v, err)
		}
		if text := export(t, h, extlibs.ExportOnly(extlibs.ListOptions{Pattern: "*:1", Limit: 2})); strings.Count(text, "\n") != 2 || strings.Contains(text, "two") {
			t.Errorf("a selection is exported as %s", text)
		}
		pages, last := 0, 0
		export(t, h, extlibs.ExportProgress(func(n int) { pages, last = pages+1, last+n }))
		if pages == 0 || last != 5 {
			t.Errorf("%d pages with %d entries were told", pages, last)
		}
	})
}

func TestAnImportNamesTheLineOfItsErrorAndStoresTheLinesBeforeIt(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		for name, tt := range map[string]struct {
			line string
			kind error
		}{
			"no JSON":                {"nonsense", extlibs.ErrInvalid},
			"no key":                 {`{"value":1}`, extlibs.ErrInvalid},
			"an empty key":           {`{"key":"","value":1}`, extlibs.ErrInvalid},
			"a long key":             {`{"key":"` + strings.Repeat("k", extlibs.MaxKeyBytes+1) + `","value":1}`, extlibs.ErrInvalid},
			"invalid UTF-8":          {"{\"key\":\"k\",\"value\":\"secret\xff\"}", extlibs.ErrInvalid},
			"half a surrogate pair":  {`{"key":"k","value":"secret\ud800"}`, extlibs.ErrInvalid},
			"a ttl out of range":     {`{"key":"k","value":"secret","ttl":-1}`, extlibs.ErrInvalid},
			"a list in a set":        {`{"key":"k","value":{"$set":[["secret"]]}}`, extlibs.ErrInvalid},
			"too deep":               {`{"key":"k","value":` + strings.Repeat("[", 501) + strings.Repeat("]", 501) + `}`, extlibs.ErrInvalid},
			"a value that is large":  {`{"key":"k","value":"` + strings.Repeat("x", 2000) + `"}`, extlibs.ErrTooLarge},
			"a line that is endless": {strings.Repeat("x", 17<<20), extlibs.ErrTooLarge},
		} {
			h := b.open(t, extlibs.MaxValueBytes(1000))
			text := "{\"key\":\"a\",\"value\":1}\n\n{\"key\":\"b\",\"value\":2}\n" + tt.line + "\n{\"key\":\"c\",\"value\":3}\n"
			n, err := h.Import(ctx, strings.NewReader(text))
			if n != 2 || !errors.Is(err, tt.kind) || !strings.HasPrefix(err.Error(), "kv.import: line 4: ") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %d entries, %v", name, n, err)
			}
			if keys, err := h.Keys(ctx, extlibs.ListOptions{}); fmt.Sprint(keys) != "[a b]" || err != nil {
				t.Errorf("%s: the store has %v, %v", name, keys, err)
			}
		}
		if b.cache {
			return // it is never full
		}
		full := b.open(t, extlibs.MaxKeys(2))
		n, err := full.Import(ctx, strings.NewReader("{\"key\":\"a\",\"value\":1}\n{\"key\":\"b\",\"value\":2}\n{\"key\":\"c\",\"value\":3}\n{\"key\":\"d\",\"value\":3}\n"))
		if n != 2 || !errors.Is(err, extlibs.ErrFull) || !strings.HasPrefix(err.Error(), "kv.import: line 3: ") {
			t.Errorf("a full store: %d entries, %v", n, err)
		}
	})
}

func TestExportAndImportEndWithTheirContextAndTheirStream(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		for i := range 3000 {
			must(t, h.Set(ctx, fmt.Sprintf("%05d", i), i, 0))
		}
		text := export(t, h)
		cancelled, cancel := context.WithCancel(ctx)
		pages := 0
		n, err := h.Export(cancelled, io.Discard, extlibs.ExportProgress(func(int) { pages++; cancel() }))
		if !errors.Is(err, context.Canceled) || pages != 1 || n == 0 || n == 3000 {
			t.Errorf("export: %d entries on %d pages, %v", n, pages, err)
		}
		broken := errors.New("the disk is gone")
		if _, err := h.Export(ctx, writerFunc(func([]byte) (int, error) { return 0, broken })); !errors.Is(err, broken) {
			t.Errorf("export into a broken stream: %v", err)
		}
		to := b.open(t)
		if n, err := to.Import(cancelled, strings.NewReader(text)); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("import: %d entries, %v", n, err)
		}
		n, err = to.Import(ctx, io.MultiReader(strings.NewReader(text[:1000]), iotest.ErrReader(broken)))
		if lines := strings.Count(text[:1000], "\n"); n != lines || !errors.Is(err, broken) || errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("import from a broken stream: %d entries of %d, %v", n, lines, err)
		}
		must(t, h.Close())
		if _, err := h.Export(ctx, io.Discard); !errors.Is(err, extlibs.ErrClosed) {
			t.Errorf("export of a closed store: %v", err)
		}
		if _, err := h.Import(ctx, strings.NewReader(text)); !errors.Is(err, extlibs.ErrClosed) {
			t.Errorf("import into a closed store: %v", err)
		}
		if _, err := h.Export(ctx, io.Discard, extlibs.ExportOnly(extlibs.ListOptions{Pattern: "["})); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("a malformed pattern: %v", err)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// While keys come and go, an export has each key that stays exactly once, and of keys that
// are always written together both, if they are on one page.
func TestAnExportOfAStoreInUseHasEachKeyThatStaysOnce(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		want := map[string]bool{}
		for i := range 2000 {
			key := fmt.Sprintf("stays:%05d", i)
			want[fmt.Sprintf(`{"key":%q,"value":%d}`, key, i)] = true
			must(t, h.Set(ctx, key, i, 0))
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				pair := map[string]any{"stays:00000a": i, "stays:00000b": i}
				if err := h.SetMany(ctx, pair, 0); err != nil {
					t.Error(err)
				}
				if _, err := h.DeleteMany(ctx, []string{"stays:00000a", "stays:00000b"}); err != nil {
					t.Error(err)
				}
			}
		})
		for range 5 {
			got := map[string]bool{}
			pair := []string{}
			for line := range strings.Lines(export(t, h)) {
				line = strings.TrimSpace(line)
				if strings.Contains(line, "00000a") || strings.Contains(line, "00000b") {
					pair = append(pair, line[strings.LastIndexByte(line, ':'):])
					continue
				}
				if got[line] {
					t.Errorf("%s comes twice", line)
				}
				got[line] = true
			}
			if !maps.Equal(got, want) {
				t.Errorf("%d lines, want %d", len(got), len(want))
			}
			if len(pair) == 1 || len(pair) == 2 && pair[0] != pair[1] {
				t.Errorf("keys that are written together are exported as %q", pair)
			}
		}
		close(stop)
		wg.Wait()
	})
}
