package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// info returns a number of INFO.
func (s *testServer) info(t *testing.T, name string) int64 {
	t.Helper()
	m := s.command(t, "INFO")
	text, err := m.ToString()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(text, "\n"+name+":")
	number, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil {
		t.Fatalf("%s: %q, %v", name, number, err)
	}
	return n
}

func TestAnIdleStoreSendsNothing(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	if s.mini != nil {
		t.Skip("the server's count of commands needs redis-server or valkey-server on PATH; install one")
	}
	for range 20 {
		h := openHandle(t, s.url(newName()), extlibs.SweepInterval(10*time.Millisecond))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if err := h.Set(ctx, "k", 1, 0); err != nil {
			t.Fatal(err)
		}
		if err := h.Set(ctx, "mortal", 1, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(500 * time.Millisecond) // each asks for the nearest deadline once
	before := s.info(t, "total_commands_processed")
	time.Sleep(1500 * time.Millisecond)
	if n := s.info(t, "total_commands_processed") - before; n > 6 { // those of the test's own client
		t.Errorf("idle stores sent %d commands", n)
	}
}

func TestExpiredKeysAreRemovedSoonWhoeverSetThem(t *testing.T) {
	s := startServer(t)
	if s.mini != nil {
		t.Skip("the clock of the imitation stands still")
	}
	name := newName()
	h := openHandle(t, s.url(name), extlibs.SweepInterval(10*time.Millisecond))
	for call, f := range map[string]func() error{
		"set":      func() error { return h.Set(t.Context(), "a", 1, 20*time.Millisecond) },
		"set_many": func() error { return h.SetMany(t.Context(), map[string]any{"a": 1, "b": 2}, 20*time.Millisecond) },
		"add":      func() error { _, err := h.Add(t.Context(), "a", 1, 20*time.Millisecond); return err },
		"incr":     func() error { _, err := h.Incr(t.Context(), "a", 1, 20*time.Millisecond); return err },
		"expire": func() error {
			return errors.Join(h.Set(t.Context(), "a", 1, time.Hour), second(h.Expire(t.Context(), "a", 20*time.Millisecond)))
		},
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			m := s.command(t, "HLEN", "{"+name+"}:v")
			if n, err := m.ToInt64(); n == 1 && err == nil {
				break
			}
			if time.Since(began) > 10*time.Second {
				t.Fatalf("what %s stored stays", call)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestACallOnTooManyKeysIsRefused(t *testing.T) {
	s := startServer(t)
	h := openHandle(t, s.url(newName())+"?callkeys=10")
	values := map[string]any{}
	var keys []string
	for i := range 11 {
		keys = append(keys, fmt.Sprint("k", i))
		values[keys[i]] = i
	}
	for call, err := range map[string]error{
		"set_many":    h.SetMany(t.Context(), values, 0),
		"get_many":    second(h.GetMany(t.Context(), keys)),
		"delete_many": second(h.DeleteMany(t.Context(), keys)),
	} {
		if !errors.Is(err, extlibs.ErrTooLarge) || !strings.Contains(err.Error(), "fewer") {
			t.Errorf("%s: %v", call, err)
		}
	}
	delete(values, keys[10])
	if err := h.SetMany(t.Context(), values, 0); err != nil {
		t.Error(err)
	}
	if n, err := h.DeleteMany(t.Context(), keys[:10]); n != 10 || err != nil {
		t.Errorf("deleted %d: %v", n, err)
	}
}

// pop_first is one script, whatever the size of the store; update_many one to read and one to
// write.
func TestCallsOnQueuesAndSeveralKeysRunFewScripts(t *testing.T) {
	s := startServer(t)
	if s.mini != nil {
		t.Skip("the server's count of scripts needs redis-server or valkey-server on PATH; install one")
	}
	ctx := t.Context()
	h := openHandle(t, s.url(newName()))
	jobs := map[string]any{"a": 1, "b": 2}
	for i := range 5000 {
		jobs[fmt.Sprintf("job:%06d", i)] = i
	}
	if err := h.SetMany(ctx, jobs, 0); err != nil {
		t.Fatal(err)
	}
	transfer := func(v map[string]any) (map[string]any, error) {
		return map[string]any{"a": v["b"], "b": v["a"]}, nil
	}
	popped := func(o extlibs.PopOptions) error { _, err := h.PopFirst(ctx, o); return err }
	for _, c := range []struct {
		name string
		most int64
		call func() error
	}{
		{"pop_first", 1, func() error { return popped(extlibs.PopOptions{Prefix: "job:"}) }},
		{"pop_first of the last", 1, func() error { return popped(extlibs.PopOptions{Prefix: "job:", Reverse: true}) }},
		{"update_many", 2, func() error { _, err := h.UpdateMany(ctx, []string{"a", "b"}, transfer); return err }},
	} {
		if err := c.call(); err != nil { // it loads its scripts
			t.Fatalf("%s: %v", c.name, err)
		}
		const times = 10
		before := s.scripts(t)
		for range times {
			if err := c.call(); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		if n := s.scripts(t) - before; n == 0 || n > times*c.most+2 { // the sweep runs scripts too
			t.Errorf("%d calls of %s ran %d scripts, want at most %d", times, c.name, n, times*c.most)
		}
	}
}

// scripts returns how many scripts a server has run.
func (s *testServer) scripts(t *testing.T) (n int64) {
	t.Helper()
	m := s.command(t, "INFO", "commandstats")
	text, err := m.ToString()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(text, "\r\n") {
		var calls int64
		if name, stats, _ := strings.Cut(line, ":"); strings.HasPrefix(name, "cmdstat_eval") {
			fmt.Sscanf(stats, "calls=%d", &calls)
			n += calls
		}
	}
	return n
}

func TestCallsThatNeedNoValueDoNotMoveIt(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	if s.mini != nil {
		t.Skip("the server's count of bytes needs redis-server or valkey-server on PATH; install one")
	}
	const size = 8 << 20
	value := strings.Repeat("v", size)
	h := openHandle(t, s.url(newName()))
	for _, ttl := range []time.Duration{0, time.Hour} {
		if err := h.Set(t.Context(), "k", value, ttl); err != nil {
			t.Fatal(err)
		}
		sent, took := s.info(t, "total_net_output_bytes"), s.info(t, "total_net_input_bytes")
		if ok, err := h.Exists(t.Context(), "k"); !ok || err != nil {
			t.Errorf("exists: %t, %v", ok, err)
		}
		if ok, err := h.Expire(t.Context(), "k", 2*time.Hour); !ok || err != nil {
			t.Errorf("expire: %t, %v", ok, err)
		}
		if left, err := h.TTL(t.Context(), "k"); left < 7100*time.Second || err != nil {
			t.Errorf("ttl: %v, %v", left, err)
		}
		if ok, err := h.Expire(t.Context(), "k", 0); !ok || err != nil {
			t.Errorf("expire, 0: %t, %v", ok, err)
		}
		if n := s.info(t, "total_net_output_bytes") - sent + s.info(t, "total_net_input_bytes") - took; n > size/8 {
			t.Errorf("%d bytes were moved", n)
		}
		for range 3 {
			if v, err := h.Get(t.Context(), "k"); v != value || err != nil {
				t.Errorf("the value has changed (%v)", err)
			}
		}
		if ok, err := h.Expire(t.Context(), "k", time.Millisecond); !ok || err != nil {
			t.Errorf("expire, soon: %t, %v", ok, err)
		}
		time.Sleep(5 * time.Millisecond)
		if v, err := h.Get(t.Context(), "k"); !errors.Is(err, extlibs.ErrNotFound) {
			t.Errorf("it is there after its time: %.10v, %v", v, err)
		}
		if ok, err := h.Expire(t.Context(), "k", time.Hour); ok || err != nil {
			t.Errorf("expire brings back an expired key (%v)", err)
		}
		if err := h.Set(t.Context(), "k", value, ttl); err != nil {
			t.Fatal(err)
		}
		sent = s.info(t, "total_net_output_bytes")
		if ok, err := h.Delete(t.Context(), "k"); !ok || err != nil {
			t.Errorf("delete: %t, %v", ok, err)
		}
		if n := s.info(t, "total_net_output_bytes") - sent; n > size/8 {
			t.Errorf("delete moved %d bytes", n)
		}
	}
	clients := s.command(t, "CLIENT", "LIST")
	if list, err := clients.ToString(); err != nil || strings.Count(list, "addr=") < 3 {
		t.Errorf("large values have no separate connection: %s (%v)", list, err)
	}
}

// Operations on large values do what they do on small ones.
func TestLargeValuesTakePartInEverything(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	name := newName()
	h := openHandle(t, s.url(name))
	large, other := strings.Repeat("a", 70_000), strings.Repeat("b", 70_000)
	check := func(what string, ok bool, err error) {
		t.Helper()
		if !ok || err != nil {
			t.Errorf("%s: %t, %v", what, ok, err)
		}
	}
	holds := func(what, want string, ttl bool) {
		t.Helper()
		v, err := h.Get(t.Context(), "k")
		items, err2 := h.Items(t.Context(), extlibs.ListOptions{})
		many, err3 := h.GetMany(t.Context(), []string{"k"})
		left, err4 := h.TTL(t.Context(), "k")
		if v != want || len(items) != 1 || items[0].Value != want || many["k"] != want || ttl != (left > 0) || errors.Join(err, err2, err3, err4) != nil {
			t.Errorf("after %s: %.10v, %d items, ttl %v, %v", what, v, len(items), left, errors.Join(err, err2, err3, err4))
		}
	}
	ok, err := h.Add(t.Context(), "k", large, time.Hour)
	check("add", ok, err)
	holds("add", large, true)
	ok, err = h.Add(t.Context(), "k", other, 0)
	check("add again", !ok, err)
	ok, err = h.CompareAndSwap(t.Context(), "k", large, other, extlibs.KeepTTL)
	check("swap", ok, err)
	holds("swap", other, true)
	ok, err = h.CompareAndSwap(t.Context(), "k", large, "small", extlibs.KeepTTL)
	check("swap of another", !ok, err)
	ok, err = h.CompareAndSwap(t.Context(), "k", other, "small", extlibs.KeepTTL)
	check("swap for a small one", ok, err)
	holds("swap for a small one", "small", true)
	ok, err = h.CompareAndSwap(t.Context(), "k", "small", large, 0)
	check("swap for a large one", ok, err)
	holds("swap for a large one", large, false)
	check("set_many", true, h.SetMany(t.Context(), map[string]any{"k": other}, time.Hour))
	holds("set_many", other, true)
	check("set", true, h.Set(t.Context(), "k", large, 0))
	holds("set", large, false)
	v, err := h.Update(t.Context(), "k", func(old any, _ bool) (any, error) { return old.(string) + "!", nil })
	check("update", v == large+"!", err)
	holds("update", large+"!", false)
	v, err = h.Pop(t.Context(), "k")
	check("pop", v == large+"!", err)
	if n, err := h.Count(t.Context(), "*"); n != 0 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
}
