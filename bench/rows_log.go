package main

import (
	"fmt"
	"strings"

	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs"
	"github.com/tidwall/buntdb"
	bolt "go.etcd.io/bbolt"
)

const (
	logPrefix  = "log:0002:" // between two other logs
	logEntries = 100_000
	logEnds    = 1.5 // most that the newest may cost, against the oldest
)

// logRows measure both ends of a log: descending pages must cost as ascending ones.
func logRows() []row {
	return []row{
		{"log/ends", fmt.Sprintf("the oldest and the newest of %d log entries, with its value", logEntries), func(s *suite) { logSubjects(s, 1) }},
		{"log/page", fmt.Sprintf("a page of 100 of %d log entries, ascending and descending", logEntries), func(s *suite) { logSubjects(s, 100) }},
	}
}

func logKeys(n int) (keys []string, values []any) {
	for i := range n {
		for _, prefix := range []string{"log:0001:", logPrefix, "log:0003:"} {
			keys, values = append(keys, fmt.Sprintf("%s%09d", prefix, i)), append(values, text16(i))
		}
	}
	return keys, values
}

// logPage returns a subject that reads one end of the log.
func logPage(name string, h *extlibs.Handle, limit int, reverse bool) subject {
	o := extlibs.ListOptions{Prefix: logPrefix, Limit: limit, Reverse: reverse}
	return subject{name: name, run: func(n int) {
		for range n {
			if items := must1(h.Items(background, o)); len(items) != limit || !strings.HasPrefix(items[0].Key, logPrefix) {
				panic(fmt.Sprintf("%s found %d entries", name, len(items)))
			}
		}
	}}
}

func logSubjects(s *suite, limit int) {
	n := s.scaled(logEntries)
	keys, values := logKeys(n)
	kv, disk := newKVMemory(), openKV(s.path("kv"))
	bunt, bbolt := newBunt(":memory:"), openBolt(s.path("bbolt"))
	for _, c := range []store{kv, disk, bunt, bbolt} {
		fillPoints(c, keys, values)
	}
	defer kv.close()
	defer disk.close()
	defer bbolt.close()
	defer bunt.Close()
	oldest, newest := ", oldest first", ", newest first"
	subjects := []subject{
		logPage(ours+oldest, kv.h, limit, false), logPage(ours+newest, kv.h, limit, true),
		logPage(oursBolt+oldest, disk.h, limit, false), logPage(oursBolt+newest, disk.h, limit, true),
		{name: "buntdb" + newest, run: func(ops int) {
			for range ops {
				found := 0
				must(bunt.View(func(tx *buntdb.Tx) error {
					return tx.DescendLessOrEqual("", logPrefix+"\xff", func(key, _ string) bool {
						found++
						return found < limit
					})
				}))
				if found != limit {
					panic("buntdb found too few")
				}
			}
		}},
		{name: rawBolt + newest, run: func(ops int) {
			for range ops {
				found := 0
				must(bbolt.View(func(tx *bolt.Tx) error {
					c := tx.Bucket(boltBucket).Cursor()
					c.Seek([]byte(logPrefix + "\xff"))
					for k, v := c.Prev(); k != nil && found < limit; k, v = c.Prev() {
						found += len(append([]byte(nil), v...)) / max(1, len(v))
					}
					return nil
				}))
				if found != limit {
					panic("bbolt found too few")
				}
			}
		}},
	}
	if server := redisServer(); server != "" {
		h, _, stop := redisStore(s, server, "log", rueidis.ClientOption{})
		defer stop()
		batch := map[string]any{}
		for i, key := range keys {
			if batch[key] = values[i]; len(batch) == 10_000 || i == len(keys)-1 {
				must(h.SetMany(background, batch, 0))
				clear(batch)
			}
		}
		subjects = append(subjects, logPage(oursRedis+oldest, h, limit, false), logPage(oursRedis+newest, h, limit, true))
	}
	lines := s.turns(ours+oldest, s.slice, subjects...)
	for _, name := range []string{ours, oursBolt, oursRedis} {
		if first, last := lines[name+oldest], lines[name+newest]; first.stat.median > 0 {
			s.atMost(fmt.Sprintf("%s, %d of the newest against %d of the oldest", name, limit, limit), logEnds, last.stat.median/first.stat.median, ratio)
		}
	}
}
