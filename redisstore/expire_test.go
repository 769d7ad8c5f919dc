package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// A host that has extended the life of a small value does not ask for its length the next
// time. The answer stays right, whatever other hosts have made of the key since.
func TestExpireOfAKeyThatWasSmallFindsWhatOthersMadeOfIt(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	name := newName()
	h, other := (*extlibs.Handle)(nil), openHandle(t, s.url(name))
	large := strings.Repeat("v", 100_000)
	small := func(ttl time.Duration) {
		t.Helper()
		if err := h.Set(t.Context(), "k", "small", ttl); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if live, err := h.Expire(t.Context(), "k", time.Hour); !live || err != nil {
				t.Fatalf("expire of a small value: %t, %v", live, err)
			}
		}
	}
	for _, c := range []struct {
		made  string
		by    func() error
		value any
	}{
		{"a large value", func() error { return other.Set(t.Context(), "k", large, 0) }, large},
		{"a large value with a ttl", func() error { return other.Set(t.Context(), "k", large, time.Minute) }, large},
		{"another small value", func() error { return other.Set(t.Context(), "k", "other", 0) }, "other"},
		{"an empty text", func() error { return other.Set(t.Context(), "k", "", time.Minute) }, ""},
		{"an int", func() error { return second(other.Incr(t.Context(), "n", 1, 0)) }, "small"},
		{"nothing", func() error { return second(other.Delete(t.Context(), "k")) }, nil},
		{"an expired key", func() error {
			if s.mini != nil {
				return second(other.Delete(t.Context(), "k"))
			}
			if err := other.Set(t.Context(), "k", large, time.Millisecond); err != nil {
				return err
			}
			for {
				if _, err := other.Get(t.Context(), "k"); errors.Is(err, extlibs.ErrNotFound) {
					return nil
				}
			}
		}, nil},
	} {
		for _, ttl := range []time.Duration{0, 2 * time.Hour} {
			h = openHandle(t, s.url(name)) // since it remembers for long that a value was large
			small(0)
			if err := c.by(); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if live, err := h.Expire(t.Context(), "k", ttl); live != (c.value != nil) || err != nil {
					t.Errorf("expire of %s: %t, %v", c.made, live, err)
				}
			}
			v, err := other.Get(t.Context(), "k")
			if c.value == nil {
				if !errors.Is(err, extlibs.ErrNotFound) {
					t.Errorf("expire made something of %s: %.20v, %v", c.made, v, err)
				}
				continue
			}
			left, err2 := other.TTL(t.Context(), "k")
			if v != c.value || err != nil || err2 != nil || (left > 0) != (ttl > 0) || ttl > 0 && left < ttl-time.Minute {
				t.Errorf("after expire of %s: %.20v, %v left, %v, %v", c.made, v, left, err, err2)
			}
		}
	}
}
