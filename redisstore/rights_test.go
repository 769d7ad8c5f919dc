package redisstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

func TestOpeningNamesTheCommandsThatTheUserLacks(t *testing.T) {
	s := startServer(t)
	if s.mini != nil {
		t.Skip("rights need redis-server or valkey-server on PATH; install one")
	}
	r := extlibs.NewRegistry()
	defer r.Close()
	for _, lacks := range []string{"ZADD", "HSET", "ZREM", "HDEL", "UNLINK", "ZMSCORE", "HMGET", "TIME"} {
		name := newName()
		s.command(t, "ACL", "SETUSER", "u", "reset", "on", ">p", "~{"+name+"}:*", "+@all", "-@admin", "-@dangerous", "-"+strings.ToLower(lacks))
		_, err := r.Open(t.Context(), "redis://u:p@"+s.addr+"/0/"+name)
		if !errors.Is(err, extlibs.ErrNotAllowed) || !strings.Contains(err.Error(), "commands "+lacks+";") {
			t.Errorf("without %s: %v", lacks, err)
		}
		if n, err := s.ask("", "EXISTS", "{"+name+"}:v", "{"+name+"}:i", "{"+name+"}:d", "{"+name+"}:m"); err != nil {
			t.Fatal(err)
		} else if n, err := n.ToInt64(); n != 0 || err != nil {
			t.Errorf("without %s: %d keys were written (%v)", lacks, n, err)
		}
	}
}

func TestAWriteWithoutARightIsNotHalfDone(t *testing.T) {
	s := startServer(t)
	if s.mini != nil {
		t.Skip("rights need redis-server or valkey-server on PATH; install one")
	}
	name := newName()
	s.command(t, "ACL", "SETUSER", "u", "on", ">p", "~{"+name+"}:*", "+@all", "-@admin", "-@dangerous")
	h := openHandle(t, "redis://u:p@"+s.addr+"/0/"+name)
	if err := h.Set(t.Context(), "there", 1, 0); err != nil {
		t.Fatal(err)
	}
	s.command(t, "ACL", "SETUSER", "u", "-zadd")
	for call, f := range map[string]func(key string) error{
		"set":          func(key string) error { return h.Set(t.Context(), key, 1, 0) },
		"set, ttl":     func(key string) error { return h.Set(t.Context(), key, 1, time.Hour) },
		"incr":         func(key string) error { _, err := h.Incr(t.Context(), key, 1, 0); return err },
		"incr, ttl":    func(key string) error { _, err := h.Incr(t.Context(), key, 1, time.Hour); return err },
		"incr, float":  func(key string) error { _, err := h.IncrFloat(t.Context(), key, 1.5, 0); return err },
		"add":          func(key string) error { _, err := h.Add(t.Context(), key, 1, 0); return err },
		"add, ttl":     func(key string) error { _, err := h.Add(t.Context(), key, 1, time.Hour); return err },
		"set_many":     func(key string) error { return h.SetMany(t.Context(), map[string]any{key: 1, key + "2": 2}, 0) },
		"set_many ttl": func(key string) error { return h.SetMany(t.Context(), map[string]any{key: 1}, time.Hour) },
		"delete_many": func(key string) error {
			_, err := h.DeleteMany(t.Context(), []string{"there", key})
			return err
		},
	} {
		if err := f(call); !errors.Is(err, extlibs.ErrNotAllowed) {
			t.Errorf("%s: %v", call, err)
		}
		n, err := h.Count(t.Context(), "*")
		items, err2 := h.Items(t.Context(), extlibs.ListOptions{})
		if n != 1 || len(items) != 1 || err != nil || err2 != nil {
			t.Errorf("after %s: %d keys, %v, %v, %v", call, n, items, err, err2)
		}
	}
}

func TestOpeningMakesAnIndexThatDoesNotFitAnew(t *testing.T) {
	s := startServer(t)
	name := newName()
	h := openHandle(t, s.url(name))
	want := map[string]any{}
	for i := range 1500 {
		want[fmt.Sprintf("k%04d", i)] = i
	}
	if err := h.SetMany(t.Context(), want, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Set(t.Context(), "mortal", 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string][]string{
		"a foreign entry":  {"ZADD", "{" + name + "}:i", "0", "foreign"},
		"a lost entry":     {"ZREM", "{" + name + "}:i", "k0003"},
		"two lost entries": {"ZREM", "{" + name + "}:i", "k1400", "mortal"},
		"a lost index":     {"DEL", "{" + name + "}:i"},
		"lost deadlines":   {"DEL", "{" + name + "}:d", "{" + name + "}:i"},
	} {
		s.command(t, damage...)
		var log bytes.Buffer
		h := openHandle(t, s.url(name), extlibs.Logger(slog.New(slog.NewTextHandler(&log, nil))))
		n, err := h.Count(t.Context(), "*")
		items, err2 := h.Items(t.Context(), extlibs.ListOptions{Pattern: "k*"})
		ttl, err3 := h.TTL(t.Context(), "mortal")
		if n != len(want)+1 || len(items) != len(want) || err != nil || err2 != nil || err3 != nil || ttl <= 0 || !strings.Contains(log.String(), "rebuilt") {
			t.Errorf("%s: %d keys, %d items, mortal for %v, %v, %v, %v; log %q", what, n, len(items), ttl, err, err2, err3, log.String())
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Values that were lost are not forgotten.
	s.command(t, "DEL", "{"+name+"}:v")
	if n, err := openHandle(t, s.url(name)).Count(t.Context(), "*"); !errors.Is(err, extlibs.ErrCorrupt) {
		t.Errorf("without values: %d keys, %v", n, err)
	}
}
