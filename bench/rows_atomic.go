package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs"
)

// Rows of calls on several keys, and of queues.

const (
	mutexMap       = "mutex + map"
	popOfKey       = "pop"
	popFirstOf     = "pop_first"
	accounts       = 1024 // that transfers are between
	transferCalls  = 8    // goroutines
	popFirstGoal   = 2    // times a pop
	transferAmount = 1
)

func atomicRows() []row {
	return []row{
		{"memory/update_many", fmt.Sprintf("a transfer between two of %d accounts in memory, %d goroutines", accounts, transferCalls), memoryTransfers},
		{"memory/pop_first", "set of a new key and pop_first of the oldest in memory, against pop of it", memoryQueue},
	}
}

func accountKeys() []string {
	keys := make([]string, accounts)
	for i := range keys {
		keys[i] = fmt.Sprint("account:", i)
	}
	return keys
}

// pairOf returns the two accounts of a transfer.
func pairOf(i int) (from, to int) { return i * 7 % accounts, (i*13 + 1) % accounts }

// transfer is what UpdateMany runs.
func transfer(h *extlibs.Handle, from, to string) {
	must1(h.UpdateMany(background, []string{from, to}, func(v map[string]any) (map[string]any, error) {
		v[from] = v[from].(int64) - transferAmount
		v[to] = v[to].(int64) + transferAmount
		return v, nil
	}))
}

func memoryTransfers(s *suite) {
	keys := accountKeys()
	kv := newKVMemory()
	defer kv.close()
	var mu sync.Mutex
	plain := map[string]any{}
	for _, key := range keys {
		must(kv.h.Set(background, key, 1000, 0))
		plain[key] = int64(1000)
	}
	s.turns(mutexMap, s.slice,
		subject{name: ours, run: func(n int) {
			parallel(transferCalls, n, func(_, i int) {
				if from, to := pairOf(i); from != to {
					transfer(kv.h, keys[from], keys[to])
				}
			})
		}},
		subject{name: mutexMap, run: func(n int) {
			parallel(transferCalls, n, func(_, i int) {
				from, to := pairOf(i)
				mu.Lock()
				plain[keys[from]] = plain[keys[from]].(int64) - transferAmount
				plain[keys[to]] = plain[keys[to]].(int64) + transferAmount
				mu.Unlock()
			})
		}})
}

func jobKey(n int64) string { return fmt.Sprintf("job:%012d", n) }

// queue is a store with many jobs beside many other keys.
type queue struct {
	h     *extlibs.Handle
	first int64 // the oldest job, for pop
	next  atomic.Int64
}

func (q *queue) fill(jobs, others int) {
	for i := range others {
		must(q.h.Set(background, pointKey(i), 1, 0))
	}
	for range jobs {
		q.put()
	}
}

func (q *queue) put() { must(q.h.Set(background, jobKey(q.next.Add(1)), 1, 0)) }

func (q *queue) popFirst(int) {
	q.put()
	must1(q.h.PopFirst(background, extlibs.PopOptions{Prefix: "job:"}))
}

func (q *queue) pop(int) {
	q.put()
	q.first++
	must1(q.h.Pop(background, jobKey(q.first)))
}

func each(call func(i int)) func(n int) {
	return func(n int) {
		for i := range n {
			call(i)
		}
	}
}

// memoryQueue also shows that the cost does not grow with the store.
func memoryQueue(s *suite) {
	large, small, popped := newKVMemory(), newKVMemory(), newKVMemory()
	defer large.close()
	defer small.close()
	defer popped.close()
	queues := []*queue{{h: large.h}, {h: small.h}, {h: popped.h}}
	queues[0].fill(s.points, s.points)
	queues[1].fill(10, 0)
	queues[2].fill(s.points, s.points)
	lines := s.turns(popOfKey, s.slice,
		subject{name: popFirstOf, run: each(queues[0].popFirst), note: func() string { return fmt.Sprintf("of %d jobs", s.points) }},
		subject{name: popFirstOf + ", a short queue", run: each(queues[1].popFirst), note: func() string { return "of 10 jobs" }},
		subject{name: popOfKey, run: each(queues[2].pop)})
	s.atMost("set and pop_first, against set and pop", popFirstGoal, lines[popFirstOf].ratio, ratio)
}

// redisAtomicRows compare with the commands that a client would use.
func redisAtomicRows(server string) []row {
	return []row{
		{"redis/update_many", fmt.Sprintf("a transfer between two of %d accounts on a server, %d goroutines, against WATCH, GET, MULTI, EXEC", accounts, transferCalls),
			func(s *suite) { redisTransfers(s, server) }},
		{"redis/pop_first", "set of a new key and pop_first of the oldest on a server, against ZADD and ZPOPMIN, and RPUSH and BLPOP",
			func(s *suite) { redisQueue(s, server) }},
	}
}

func redisTransfers(s *suite, path string) {
	h, plain, stop := redisStore(s, path, "bench", rueidis.ClientOption{})
	defer stop()
	keys := accountKeys()
	for _, key := range keys {
		must(h.Set(background, key, 1000, 0))
		must(plain.Do(background, plain.B().Set().Key(key).Value("1000").Build()).Error())
	}
	s.turns(plainClient, s.diskSlice,
		subject{name: oursRedis, run: func(n int) {
			parallel(transferCalls, n, func(_, i int) {
				if from, to := pairOf(i); from != to {
					transfer(h, keys[from], keys[to])
				}
			})
		}},
		subject{name: plainClient, run: func(n int) {
			parallel(transferCalls, n, func(_, i int) {
				if from, to := pairOf(i); from != to {
					for !watchTransfer(plain, keys[from], keys[to]) {
					}
				}
			})
		}})
}

// watchTransfer reports whether no other client changed one of the keys.
func watchTransfer(client rueidis.Client, from, to string) bool {
	done := true
	must(client.Dedicated(func(c rueidis.DedicatedClient) error {
		ctx := context.Background()
		if err := c.Do(ctx, c.B().Watch().Key(from, to).Build()).Error(); err != nil {
			return err
		}
		values, err := c.Do(ctx, c.B().Mget().Key(from, to).Build()).AsIntSlice()
		if err != nil {
			return err
		}
		results := c.DoMulti(ctx, c.B().Multi().Build(),
			c.B().Set().Key(from).Value(strconv.FormatInt(values[0]-transferAmount, 10)).Build(),
			c.B().Set().Key(to).Value(strconv.FormatInt(values[1]+transferAmount, 10)).Build(),
			c.B().Exec().Build())
		err = results[3].Error()
		if rueidis.IsRedisNil(err) {
			done = false
			return nil
		}
		return err
	}))
	return done
}

func redisQueue(s *suite, path string) {
	h, plain, stop := redisStore(s, path, "bench", rueidis.ClientOption{})
	defer stop()
	q := &queue{h: h}
	q.fill(1000, 0)
	var next atomic.Int64
	zadd := func() {
		must(plain.Do(background, plain.B().Zadd().Key("zset").ScoreMember().ScoreMember(float64(next.Add(1)), "job").Build()).Error())
	}
	zadd()
	s.turns("ZADD, ZPOPMIN", s.diskSlice,
		subject{name: oursRedis, run: each(q.popFirst)},
		subject{name: "ZADD, ZPOPMIN", run: each(func(int) {
			zadd()
			must(plain.Do(background, plain.B().Zpopmin().Key("zset").Build()).Error())
		})},
		subject{name: "RPUSH, BLPOP", run: each(func(int) {
			must(plain.Do(background, plain.B().Rpush().Key("list").Element("job").Build()).Error())
			err := plain.Do(background, plain.B().Blpop().Key("list").Timeout(1).Build()).Error()
			if rueidis.IsRedisNil(err) {
				err = errors.New("BLPOP found nothing")
			}
			must(err)
		})})
}
