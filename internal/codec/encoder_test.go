package codec

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// one encodes a single part.
func one(limit int, part func(e *Encoder) error) (string, error) {
	e := NewEncoder(limit)
	defer e.Release()
	if err := part(e); err != nil {
		return "", err
	}
	return e.Value()
}

func TestALimitIsExactForEveryKindOfPart(t *testing.T) {
	for name, part := range map[string]func(e *Encoder) error{
		"null":     func(e *Encoder) error { e.Null(); return nil },
		"bool":     func(e *Encoder) error { e.Bool(true); return nil },
		"int":      func(e *Encoder) error { e.Int(1 << 40); return nil },
		"float":    func(e *Encoder) error { e.Float(1.5); return nil },
		"text":     func(e *Encoder) error { e.Text(strings.Repeat("x", 300)); return nil },
		"raw text": func(e *Encoder) error { e.Text(strings.Repeat("\xff", 300)); return nil },
		"bytes":    func(e *Encoder) error { e.Bytes(make([]byte, 300)); return nil },
		"list":     func(e *Encoder) error { err := e.List(1, 0); e.Null(); return err },
		"tuple":    func(e *Encoder) error { err := e.Tuple(1, 0); e.Null(); return err },
		"set":      func(e *Encoder) error { err := e.Set(1, 0); e.Null(); return err },
		"dict":     func(e *Encoder) error { err := e.Dict(1, 0); e.Null(); e.Int(100); return err },
	} {
		raw, err := one(1<<20, part)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again, err := one(len(raw), part); err != nil || again != raw {
			t.Errorf("%s of %d bytes with a limit of as many: %v", name, len(raw), err)
		}
		for limit := range len(raw) {
			if again, err := one(limit, part); !errors.Is(err, kverr.TooLarge) || again != "" {
				t.Fatalf("%s of %d bytes with a limit of %d: %v", name, len(raw), limit, err)
			}
		}
	}
	for _, s := range []string{"", "short", strings.Repeat("x", 300), strings.Repeat("\xff", 300)} {
		raw, err := Text(s, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Text(s, len(raw)); err != nil || again != raw {
			t.Errorf("Text of %d bytes with a limit of as many: %v", len(raw), err)
		}
		if _, err := Text(s, len(raw)-1); !errors.Is(err, kverr.TooLarge) {
			t.Errorf("Text of %d bytes with a limit of one less: %v", len(raw), err)
		}
	}
}

func TestWhatIsOverTheLimitIsRefusedBeforeItIsCopied(t *testing.T) {
	const limit = 64 << 10
	large := strings.Repeat("x", 64<<20)
	bytes := []byte(large)
	for name, encode := range map[string]func() error{
		"text": func() error {
			_, err := one(limit, func(e *Encoder) error { e.Text(large); return e.Check() })
			return err
		},
		"bytes": func() error {
			_, err := one(limit, func(e *Encoder) error { e.Bytes(bytes); return e.Check() })
			return err
		},
		"one text": func() error { _, err := Text(large, limit); return err },
		"list":     func() error { _, err := one(limit, func(e *Encoder) error { return e.List(limit, 0) }); return err },
		"dict":     func() error { _, err := one(limit, func(e *Encoder) error { return e.Dict(limit/2, 0) }); return err },
		"ints": func() error {
			_, err := one(limit, func(e *Encoder) error {
				for {
					e.Int(1 << 40)
					if err := e.Check(); err != nil {
						return err
					}
				}
			})
			return err
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := encode()
		runtime.ReadMemStats(&after)
		if !errors.Is(err, kverr.TooLarge) {
			t.Errorf("%s: %v, want TooLarge", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 8*limit { // the buffer doubles as it grows
			t.Errorf("%s: %d bytes were allocated under a limit of %d", name, took, limit)
		}
	}
}

func TestAPathIsCutFromBothEnds(t *testing.T) {
	var err error = Errorf(kverr.Type, "no at %%s")
	for i := range 1000 {
		err = At(err, IndexStep(i))
	}
	if s := err.Error(); !strings.HasPrefix(s, "no at value...[") || !strings.HasSuffix(s, "[0]") || len(s) > 300 {
		t.Errorf("%d bytes: %s", len(s), s)
	}
	steps := strings.Split(strings.Repeat(`["step"] `, 100), " ")
	if s := Along(Errorf(kverr.Type, "no at %%s"), steps).Error(); !strings.HasPrefix(s, `no at value["step"]`) || !strings.HasSuffix(s, "...") || len(s) > 300 {
		t.Errorf("%d bytes: %s", len(s), s)
	}
	if s := KeyStep(strings.Repeat("\xff", 10000)); len(s) > 500 {
		t.Errorf("%d bytes: %s", len(s), s)
	}
}
