package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs"
)

const (
	costCalls = 20_000
	costLoops = 16 // goroutines, so that the connection is busy
)

// redisServerRows say what calls take of the server's processor, how long the largest calls
// keep it from others, and what its keys take of its memory.
func redisServerRows(server string) []row {
	return []row{
		{"redis/cost", "processor time of the server per call, against the plain commands", func(s *suite) { redisCost(s, server) }},
		{"redis/stall", "the longest that a call on 100,000 keys, in a large store, keeps the server from others", func(s *suite) { redisStall(s, server) }},
		{"redis/memory", "memory of the server per key with a value of 16 bytes, against plain keys", func(s *suite) { redisMemory(s, server) }},
	}
}

// infoOf returns the figures of INFO.
func infoOf(c rueidis.Client) map[string]string {
	text := must1(c.Do(background, c.B().Info().Section("everything").Build()).ToString())
	figures := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			figures[name] = value
		}
	}
	return figures
}

// usedMicros is the time that commands have taken, by INFO commandstats. What a script
// calls is a part of the script's.
func usedMicros(c rueidis.Client) (micros float64) {
	for name, value := range infoOf(c) {
		command, ok := strings.CutPrefix(name, "cmdstat_")
		if !ok || command == "info" {
			continue
		}
		if command == "eval" || command == "evalsha" || topLevel[command] {
			_, rest, _ := strings.Cut(value, "usec=")
			number, _, _ := strings.Cut(rest, ",")
			micros += must1(strconv.ParseFloat(number, 64))
		}
	}
	return micros
}

// topLevel are the commands that are counted where no script ran.
var topLevel = map[string]bool{}

func redisCost(s *suite, path string) {
	addr, stop := startRedis(s, path)
	defer stop()
	r := extlibs.NewRegistry()
	defer r.Close()
	h := must1(r.Open(background, "redis://"+addr+"/0/bench"))
	plain := must1(rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, PipelineMultiplex: -1, DisableRetry: true, DisableCache: true}))
	defer plain.Close()
	calls := min(costCalls, s.points)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	name := func(kind string, i int) string { return kind + strconv.Itoa(i%1000) }
	value := text16(0)
	commands := []struct {
		what string
		top  []string // the commands that it sends outside of scripts
		call func(i int)
	}{
		{"SET", []string{"set"}, func(i int) {
			must(plain.Do(ctx, plain.B().Set().Key(name("p", i)).Value(value).Build()).Error())
		}},
		{"GET", []string{"get"}, func(i int) { must(plain.Do(ctx, plain.B().Get().Key(name("p", i)).Build()).Error()) }},
		{"INCR", []string{"incr"}, func(i int) { must(plain.Do(ctx, plain.B().Incr().Key(name("n", i)).Build()).Error()) }},
		{"SET EX", []string{"set"}, func(i int) {
			must(plain.Do(ctx, plain.B().Set().Key(name("e", i)).Value(value).ExSeconds(3600).Build()).Error())
		}},
		{"set", nil, func(i int) { must(h.Set(ctx, name("p", i), value, 0)) }},
		{"get", []string{"hget", "time"}, func(i int) { must1(h.Get(ctx, name("p", i))) }},
		{"incr", nil, func(i int) { must1(h.Incr(ctx, name("n", i), 1, 0)) }},
		{"set, ttl", nil, func(i int) { must(h.Set(ctx, name("m", i), value, time.Hour)) }},
		{"get, ttl", []string{"hget", "time"}, func(i int) { must1(h.Get(ctx, name("m", i))) }},
		{"incr, ttl", nil, func(i int) { must1(h.Incr(ctx, name("mn", i), 1, time.Hour)) }},
		{"expire", nil, func(i int) { must1(h.Expire(ctx, name("m", i), time.Hour)) }},
		{"update", []string{"hget", "time"}, func(i int) {
			must1(h.Update(ctx, name("u", i), func(any, bool) (any, error) { return int64(i), nil }))
		}},
		{"add", nil, func(i int) { must1(h.Add(ctx, "add"+strconv.Itoa(i), value, 0)) }},
		{"delete", nil, func(i int) { must1(h.Delete(ctx, "add"+strconv.Itoa(i))) }},
	}
	for _, c := range commands {
		parallel(costLoops, min(1000, calls), func(_, i int) { c.call(i) }) // the keys, and the scripts
		clear(topLevel)
		for _, command := range c.top {
			topLevel[command] = true
		}
		must(plain.Do(background, plain.B().ConfigResetstat().Build()).Error())
		parallel(costLoops, calls, func(_, i int) { c.call(1000 + i) })
		s.add(line{store: oursRedis, unit: duration, stat: summarize([]float64{usedMicros(plain) * 1000 / float64(calls)}), allocs: -1, note: c.what})
	}
}

// redisStall measures how long another client waits for PING while a call runs.
func redisStall(s *suite, path string) {
	for _, size := range []int{s.million, 5 * s.million} {
		func() {
			addr, stop := startRedis(s, path)
			defer stop()
			r := extlibs.NewRegistry()
			defer r.Close()
			h := must1(r.Open(background, "redis://"+addr+"/0/bench"))
			other := must1(rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true}))
			defer other.Close()
			for i := 0; i < size; i += 5000 {
				values := map[string]any{}
				for j := i; j < min(i+5000, size); j++ {
					values[pointKey(j)] = j
				}
				must(h.SetMany(background, values, 0))
			}
			n := min(100_000, size)
			values := map[string]any{}
			keys := make([]string, n)
			ops := make([]extlibs.Op, n)
			for i := range n {
				keys[i] = pointKey(i * (size / n))
				values[keys[i]] = i
				ops[i] = extlibs.Op{Kind: extlibs.OpIncr, Key: keys[i], Value: must1(extlibs.Encode(int64(1)))}
			}
			for _, c := range []struct {
				what string
				call func() error
			}{
				{"get_many", func() error { _, err := h.GetMany(background, keys); return err }},
				{"set_many", func() error { return h.SetMany(background, values, 0) }},
				{"ApplyMany of incr", func() error { _, err := h.Store().ApplyMany(background, ops); return err }},
				{"delete_many", func() error { _, err := h.DeleteMany(background, keys); return err }},
				{"set_many of new keys", func() error { return h.SetMany(background, values, 0) }},
				{"a page of keys", func() error { _, err := h.Keys(background, extlibs.ListOptions{Limit: 1000}); return err }},
				{"count", func() error { _, err := h.Count(background, "*"); return err }},
				{"clear", func() error { return h.Clear(background) }},
			} {
				must(other.Do(background, other.B().ConfigResetstat().Build()).Error())
				clear(topLevel)
				must(c.call())
				s.add(line{store: oursRedis, unit: duration, stat: summarize([]float64{usedMicros(other) * 1000}), allocs: -1, note: fmt.Sprintf("%s, %d keys", c.what, size)})
			}
		}()
	}
}

func redisMemory(s *suite, path string) {
	n := min(100_000, s.million)
	value := text16(0)
	measure := func(what string, fill func(h *extlibs.Handle, c rueidis.Client)) {
		addr, stop := startRedis(s, path)
		defer stop()
		r := extlibs.NewRegistry()
		defer r.Close()
		h := must1(r.Open(background, "redis://"+addr+"/0/bench"))
		c := must1(rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true}))
		defer c.Close()
		used := func() float64 { return must1(strconv.ParseFloat(infoOf(c)["used_memory"], 64)) }
		before := used()
		fill(h, c)
		s.add(line{store: oursRedis, unit: count, stat: summarize([]float64{(used() - before) / float64(n)}), allocs: -1, note: "bytes, " + what})
	}
	ours := func(ttl time.Duration) func(h *extlibs.Handle, _ rueidis.Client) {
		return func(h *extlibs.Handle, _ rueidis.Client) {
			for i := 0; i < n; i += 1000 {
				values := map[string]any{}
				for j := i; j < min(i+1000, n); j++ {
					values[pointKey(j)] = value
				}
				must(h.SetMany(background, values, ttl))
			}
		}
	}
	theirs := func(seconds int64) func(_ *extlibs.Handle, c rueidis.Client) {
		return func(_ *extlibs.Handle, c rueidis.Client) {
			for i := range n {
				if seconds == 0 {
					must(c.Do(background, c.B().Set().Key(pointKey(i)).Value(value).Build()).Error())
				} else {
					must(c.Do(background, c.B().Set().Key(pointKey(i)).Value(value).ExSeconds(seconds).Build()).Error())
				}
			}
		}
	}
	measure("a key", ours(0))
	measure("a key with a ttl", ours(time.Hour))
	measure("SET", theirs(0))
	measure("SET EX", theirs(3600))
}
