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

	stallPart = 5 // of a million keys: the rows of -scale measure larger stores
)

// redisServerRows say what calls take of the server's processor, how long the largest calls
// keep it from others, and what its keys take of its memory.
func redisServerRows(server string) []row {
	return []row{
		{"redis/cost", "processor time of the server per call, against the plain commands", func(s *suite) { redisCost(s, server) }},
		{"redis/stall", "the longest command of each call, for which other clients wait: on 100,000 keys of 200,000, unless it says otherwise", func(s *suite) { stallsAt(s, server, s.million/stallPart) }},
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
	h, plain, stop := redisStore(s, path, "bench", rueidis.ClientOption{PipelineMultiplex: -1, DisableRetry: true})
	defer stop()
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

// stallsAt measures the longest command of a call (SLOWLOG), for which other clients wait,
// and the processor time of the server, which other programs on the machine do not change as much.
func stallsAt(s *suite, path string, size int) {
	h, other, stop := redisStore(s, path, "bench?timeout=1m", rueidis.ClientOption{})
	defer stop()
	for i := 0; i < size; i += 5000 {
		values := map[string]any{}
		for j := i; j < min(i+5000, size); j++ {
			values[pointKey(j)] = j
		}
		must(h.SetMany(background, values, 0))
	}
	n := min(100_000, size)
	values, few := map[string]any{}, map[string]any{}
	keys := make([]string, n)
	ops := make([]extlibs.Op, n)
	for i := range n {
		keys[i] = pointKey(i * (size / n))
		values[keys[i]] = i
		if i%10 == 0 {
			few[keys[i]] = i
		}
		ops[i] = extlibs.Op{Kind: extlibs.OpIncr, Key: keys[i], Value: must1(extlibs.Encode(int64(1)))}
	}
	tenth := keys[:n/10]
	must(other.Do(background, other.B().ConfigSet().ParameterValue().ParameterValue("slowlog-log-slower-than", "0").ParameterValue("slowlog-max-len", "100000").Build()).Error())
	for _, c := range []struct {
		what string
		call func() error
	}{
		{"get", func() error { return second(h.Get(background, keys[0])) }},
		{"set", func() error { return h.Set(background, keys[0], 1, 0) }},
		{"expire", func() error { return second(h.Expire(background, keys[0], time.Hour)) }},
		{"get_many of 10,000", func() error { return second(h.GetMany(background, tenth)) }},
		{"set_many of 10,000", func() error { return h.SetMany(background, few, 0) }},
		{"get_many", func() error { return second(h.GetMany(background, keys)) }},
		{"LoadMany without values", func() error { return second(h.Store().LoadMany(background, keys, extlibs.NeedTTL)) }},
		{"set_many", func() error { return h.SetMany(background, values, 0) }},
		{"ApplyMany of incr", func() error { return second(h.Store().ApplyMany(background, ops)) }},
		{"update_many", func() error {
			return second(h.UpdateMany(background, keys, func(map[string]any) (map[string]any, error) { return values, nil }))
		}},
		{"set_many with a ttl", func() error { return h.SetMany(background, values, time.Hour) }},
		{"delete_many of keys with a ttl", func() error { return second(h.DeleteMany(background, keys)) }},
		{"set_many of new keys", func() error { return h.SetMany(background, values, 0) }},
		{"pages of keys", func() error { return second(h.Keys(background, extlibs.ListOptions{Limit: 10_000})) }},
		{"pages of items", func() error { return second(h.Items(background, extlibs.ListOptions{Limit: 10_000})) }},
		{"pop_first", func() error { return second(h.PopFirst(background, extlibs.PopOptions{})) }},
		{"delete_matching", func() error { return second(h.DeleteMatching(background, pointKey(1)[:len(pointKey(1))-4]+"*")) }},
		{"delete_many", func() error { return second(h.DeleteMany(background, keys)) }},
		{"count", func() error { return second(h.Count(background, "*")) }},
		{"clear", func() error { return h.Clear(background) }},
	} {
		must(other.Do(background, other.B().SlowlogReset().Build()).Error())
		before := serverCPU(other)
		must(c.call())
		used := serverCPU(other) - before
		longest := slowest(other)
		s.add(line{store: oursRedis, unit: duration, stat: summarize([]float64{float64(longest)}), allocs: -1,
			note: fmt.Sprintf("%s, %d keys (%.1f ms of processor time)", c.what, size, float64(used)/1e6)})
	}
}

func second[T any](_ T, err error) error { return err }

// serverCPU is the processor time that the server has taken.
func serverCPU(c rueidis.Client) (used time.Duration) {
	info := infoOf(c)
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		used += time.Duration(must1(strconv.ParseFloat(info[name], 64)) * float64(time.Second))
	}
	return used
}

// slowest returns the time of the longest command of a store since SLOWLOG RESET.
func slowest(c rueidis.Client) (longest time.Duration) {
	for _, entry := range must1(c.Do(background, c.B().SlowlogGet().Count(100_000).Build()).ToArray()) {
		fields := must1(entry.ToArray())
		switch words := must1(fields[3].AsStrSlice()); strings.ToUpper(words[0]) {
		case "EVALSHA", "EVAL", "HGET", "TIME":
			longest = max(longest, time.Duration(must1(fields[2].AsInt64()))*time.Microsecond)
		}
	}
	return longest
}

func redisMemory(s *suite, path string) {
	n := min(100_000, s.million)
	value := text16(0)
	measure := func(what string, fill func(h *extlibs.Handle, c rueidis.Client)) {
		h, c, stop := redisStore(s, path, "bench", rueidis.ClientOption{})
		defer stop()
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
