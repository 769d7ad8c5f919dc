package codec

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// part appends some parts and checks them.
type part func(e *Encoder, b []byte) ([]byte, error)

// scalar appends a scalar part.
func scalar(raw []byte) part {
	return func(e *Encoder, b []byte) ([]byte, error) {
		b = append(b, raw...)
		return b, e.Check(b)
	}
}

// around appends what begin does and a null, as a container of one does.
func around(begin part) part {
	return func(e *Encoder, b []byte) ([]byte, error) {
		b, err := begin(e, b)
		if err != nil {
			return b, err
		}
		return scalar(cbor.AppendNull(nil))(e, b)
	}
}

func encoder(limit int) *Encoder {
	e := NewEncoder(context.Background(), limit)
	return &e
}

// one encodes a part.
func one(limit int, p part) (string, error) {
	b, err := p(encoder(limit), nil)
	if err != nil {
		return "", err
	}
	return string(b), nil
}

func TestALimitIsExactForEveryKindOfPart(t *testing.T) {
	for name, part := range map[string]part{
		"null":     scalar(cbor.AppendNull(nil)),
		"bool":     scalar(cbor.AppendBool(nil, true)),
		"int":      scalar(cbor.AppendInt(nil, 1<<40)),
		"float":    scalar(cbor.AppendFloat(nil, 1.5)),
		"text":     func(e *Encoder, b []byte) ([]byte, error) { return e.Text(b, strings.Repeat("x", 300)) },
		"raw text": func(e *Encoder, b []byte) ([]byte, error) { return e.Text(b, strings.Repeat("\xff", 300)) },
		"bytes":    func(e *Encoder, b []byte) ([]byte, error) { return e.Bytes(b, make([]byte, 300)) },
		"list":     around(func(e *Encoder, b []byte) ([]byte, error) { return e.List(b, 1, 0) }),
		"tuple":    around(func(e *Encoder, b []byte) ([]byte, error) { return e.Tuple(b, 1, 0) }),
		"set":      around(func(e *Encoder, b []byte) ([]byte, error) { return e.Set(b, 1, 0) }),
		"dict": around(func(e *Encoder, b []byte) ([]byte, error) {
			b, err := e.Dict(b, 1, 0)
			if err != nil {
				return b, err
			}
			return e.Text(b, "name")
		}),
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
		e, err := Text(s, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		raw := e.Raw()
		if b, err := encoder(1<<20).Text(nil, s); err != nil || string(b) != raw {
			t.Errorf("Text of %d bytes differs from that of an Encoder, %v", len(raw), err)
		}
		if again, err := Text(s, len(raw)); err != nil || again.Raw() != raw {
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
		"text":     func() error { _, err := encoder(limit).Text(nil, large); return err },
		"bytes":    func() error { _, err := encoder(limit).Bytes(nil, bytes); return err },
		"one text": func() error { _, err := Text(large, limit); return err },
		"list":     func() error { _, err := encoder(limit).List(nil, limit, 0); return err },
		"dict":     func() error { _, err := encoder(limit).Dict(nil, limit/2, 0); return err },
		"ints": func() (err error) {
			e, b := encoder(limit), []byte(nil)
			for err == nil {
				b = cbor.AppendInt(b, 1<<40)
				err = e.Check(b)
			}
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
